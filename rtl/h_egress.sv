// SPDX-License-Identifier: Apache-2.0
// Output stream: joins quads of the last layer's h_t to beats of eight elements, holds up to Depth of them and sends
// them as packets. Room is reserved when a quad enters the gate pipeline, so the pipeline never has to stop.
//
// flush_i forgets what is queued. A beat that is already offered stays until it is taken, as AXI4-Stream demands; if
// its packet is left open, one more beat with tlast and tuser ends it. That happens beside whatever comes next.
`include "edgedrnn_assert.svh"

`default_nettype none

module h_egress
  import edgedrnn_pkg::*;
#(
  parameter int Depth = 32
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  input  logic                         flush_i,

  output logic                         room_o,
  input  logic                         reserve_i,
  input  logic                         quad_valid_i,
  input  logic                         quad_odd_i,
  input  logic                         quad_last_i,
  input  logic [QuadLanes*ActBits-1:0] quad_data_i,

  output logic [VecWidth-1:0]          m_axis_h_tdata,
  output logic                         m_axis_h_tuser,
  output logic                         m_axis_h_tvalid,
  input  logic                         m_axis_h_tready,
  output logic                         m_axis_h_tlast,

  output logic                         packet_done_o   // the last beat of a packet is taken
);
  localparam int CountBits = $clog2(Depth) + 1;

  // ---- Room, in beats: the even quad of a beat reserves it ------------------------------------------------------------
  logic [CountBits-1:0] reserved_q;
  logic                 half_q;
  logic                 fifo_pop;
  assign room_o = half_q || (reserved_q != CountBits'(Depth));
  wire   take   = reserve_i && !half_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      reserved_q <= '0;
      half_q     <= 1'b0;
    end else begin
      if (reserve_i) half_q <= !half_q;
      if (take && !fifo_pop)      reserved_q <= reserved_q + 1'b1;
      else if (!take && fifo_pop) reserved_q <= reserved_q - 1'b1;
    end
  end

  // ---- Joining and queue ----------------------------------------------------------------------------------------------
  logic [QuadLanes*ActBits-1:0] low_q;
  always_ff @(posedge clk_i) begin
    if (quad_valid_i && !quad_odd_i) low_q <= quad_data_i;
  end

  // A beat that finds the queue empty and the output free goes straight to the output.
  wire                 beat      = quad_valid_i && quad_odd_i;
  wire [VecWidth:0]    beat_data = {quad_last_i, quad_data_i, low_q};
  logic                queue_valid, queue_ready, free, pass;
  logic [VecWidth:0]   queue_data;
  wire                 fifo_valid = queue_valid || beat;
  wire [VecWidth:0]    fifo_data  = queue_valid ? queue_data : beat_data;
  wire                 fifo_last  = fifo_data[VecWidth];
  logic unused_empty;
  stream_fifo #(.Width(VecWidth + 1), .Depth(Depth)) u_fifo (
    .clk_i, .rst_ni, .flush_i,
    .in_valid_i (beat && !pass),
    .in_ready_o (queue_ready),
    .in_data_i  (beat_data),
    .out_valid_o(queue_valid),
    .out_ready_i(fifo_pop),
    .out_data_o (queue_data),
    .empty_o    (unused_empty)
  );

  // ---- Offered beat ---------------------------------------------------------------------------------------------------
  logic valid_q, last_q, user_q, open_q, close_q;
  logic [VecWidth-1:0] data_q;
  wire taken  = valid_q && m_axis_h_tready;
  assign free = !valid_q || m_axis_h_tready;
  assign pass = fifo_pop && !queue_valid;
  assign fifo_pop = fifo_valid && free && !close_q && !flush_i;

  assign m_axis_h_tvalid = valid_q;
  assign m_axis_h_tdata  = data_q;
  assign m_axis_h_tlast  = last_q;
  assign m_axis_h_tuser  = user_q;
  assign packet_done_o   = taken && last_q && !user_q;

  // open: a beat of a packet has been offered and its last one has not.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      open_q  <= 1'b0;
      close_q <= 1'b0;
    end else begin
      if (close_q && free)        close_q <= 1'b0;
      else if (flush_i && open_q) close_q <= 1'b1;

      if (free) valid_q <= fifo_pop || close_q;
      if (free && close_q)      open_q <= 1'b0;
      else if (fifo_pop)        open_q <= !fifo_last;
    end
  end

  always_ff @(posedge clk_i) begin
    if (free) begin
      data_q <= close_q ? '0 : fifo_data[VecWidth-1:0];
      last_q <= close_q || fifo_last;
      user_q <= close_q;
    end
  end

  `EDGEDRNN_NEVER(BeatWithoutRoom, beat && !pass && !queue_ready)
  `EDGEDRNN_NEVER(ReserveWithoutRoom, reserve_i && !room_o)
  `EDGEDRNN_ASSERT(ReservedWithinDepth, int'(reserved_q) <= Depth)
  `EDGEDRNN_NEVER(PopUnreserved, fifo_pop && (reserved_q == '0))
  `EDGEDRNN_STABLE(BeatStable, m_axis_h_tvalid, m_axis_h_tready, {m_axis_h_tdata, m_axis_h_tlast, m_axis_h_tuser}, 1'b0)
endmodule

`default_nettype wire
