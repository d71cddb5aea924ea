// SPDX-License-Identifier: Apache-2.0
// Input stream: accepts one packet of x for each open_i of the sequencer, and checks its length.
// The first accepted beat of a packet is the moment at which a step begins and thresholds are taken.
//
// A packet that a flush has cut is still coming: the rest of it, up to its tlast, is taken and dropped in whatever
// state the core is, so that the next packet is not mistaken for it.
`include "edgedrnn_assert.svh"

`default_nettype none

module x_ingress
  import edgedrnn_pkg::*;
(
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                flush_i,
  input  logic                open_i,        // a packet may begin
  input  logic                drop_i,        // take and forget everything (after a fault)
  input  logic [SizeBits-1:0] size_i,        // elements of x

  input  logic [VecWidth-1:0] s_axis_x_tdata,
  input  logic                s_axis_x_tvalid,
  output logic                s_axis_x_tready,
  input  logic                s_axis_x_tlast,

  output logic                first_o,       // the first beat of a packet is taken in this cycle
  output logic                x_valid_o,
  input  logic                x_ready_i,
  output logic [VecWidth-1:0] x_data_o,

  output logic                short_o,       // pulse a cycle later: tlast came too early, at beat_o
  output logic                long_o,        // the last beat came without tlast
  output logic [VecBits:0]    beat_o
);
  logic             inside_q;                // a packet has begun and not ended
  logic             unended_q;               // the last beat on the bus was not the end of its packet
  logic             rest_q;                  // what comes is the rest of a packet that was cut
  logic [VecBits:0] beat_q;
  logic             fifo_ready;

  wire [SizeBits:0]  size_up = {1'b0, size_i} + 12'(VecLanes - 1);
  wire [VecBits:0]   beats   = size_up[VecBits+3:3];
  wire               drop    = drop_i || rest_q;
  wire               accept  = (inside_q || open_i) && !drop;
  wire               taken   = s_axis_x_tvalid && accept && fifo_ready;
  wire               at_end  = (beat_q + 1'b1 == beats);

  assign s_axis_x_tready = drop || (accept && fifo_ready);
  assign first_o = taken && !inside_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      inside_q <= 1'b0;
      beat_q   <= '0;
    end else if (taken) begin
      inside_q <= !at_end;
      beat_q   <= at_end ? '0 : beat_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    short_o <= rst_ni && taken && s_axis_x_tlast && !at_end;
    long_o  <= rst_ni && taken && !s_axis_x_tlast && at_end;
    beat_o  <= beat_q;
  end

  wire bus_beat = s_axis_x_tvalid && s_axis_x_tready;
  wire unended  = bus_beat ? !s_axis_x_tlast : unended_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      unended_q <= 1'b0;
      rest_q    <= 1'b0;
    end else begin
      unended_q <= unended;
      rest_q    <= unended && (flush_i || rest_q);
    end
  end

  logic unused_empty;
  stream_fifo #(.Width(VecWidth), .Depth(2)) u_fifo (
    .clk_i, .rst_ni, .flush_i,
    .in_valid_i (taken),
    .in_ready_o (fifo_ready),
    .in_data_i  (s_axis_x_tdata),
    .out_valid_o(x_valid_o),
    .out_ready_i(x_ready_i),
    .out_data_o (x_data_o),
    .empty_o    (unused_empty)
  );

  `EDGEDRNN_NEVER(PacketBeginsWhileClosed, first_o && !open_i)
  `EDGEDRNN_NEVER(BeatWithoutRoom, taken && !fifo_ready)
  `EDGEDRNN_ASSERT(PlaceWithinPacket, !inside_q || (beat_q != '0 && beat_q < beats))
endmodule

`default_nettype wire
