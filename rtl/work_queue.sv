// SPDX-License-Identifier: Apache-2.0
// Queue of what the PEs have to do, in the order in which the beats will come. Like stream_fifo, but it also shows
// whether the entry behind the head closes a layer: then the head is the last column of that layer, and the gates may
// follow it group by group instead of waiting for its end.
`include "edgedrnn_assert.svh"

`default_nettype none

module work_queue
  import edgedrnn_pkg::*;
#(
  parameter int Depth = 32            // entries behind the two that can be seen
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 flush_i,

  input  logic                 in_valid_i,
  output logic                 in_ready_o,
  input  entry_e               in_type_i,
  input  logic [LayerBits-1:0] in_layer_i,
  input  logic                 in_kind_i,
  input  logic                 in_last_i,
  input  act_t                 in_delta_i,
  input  logic [SizeBits-1:0]  in_last_group_i,

  output logic                 out_valid_o,
  input  logic                 out_ready_i,
  output entry_e               out_type_o,
  output logic [LayerBits-1:0] out_layer_o,
  output logic                 out_kind_o,
  output logic                 out_last_o,
  output act_t                 out_delta_o,
  output logic [SizeBits-1:0]  out_last_group_o,   // groups of the layer, less one
  output logic                 next_closes_o,   // the entry behind the head is an EntryEnd with last
  output logic                 few_o,           // the port will soon want more
  output logic                 empty_o
);
  localparam int PtrBits = $clog2(Depth);
  localparam int Width   = 2 + LayerBits + 2 + SizeBits + ActBits;
  localparam int LastBit = SizeBits + ActBits;

  // The head and the entry behind it are registers, so that what the PEs decide on comes from no memory; the rest
  // waits in a small memory.
  logic             head_valid_q, next_valid_q;
  logic [Width-1:0] head_q, next_q;
  logic             next_closes_q;      // the entry behind the head is an EntryEnd with last
  logic [Width-1:0] mem [Depth];
  logic [PtrBits:0] read_q, write_q;
  logic             ready_q;            // there is room behind

  wire [PtrBits:0]  waiting = write_q - read_q;
  wire              rest    = (waiting != '0);
  wire [Width-1:0]  oldest  = mem[read_q[PtrBits-1:0]];
  wire [Width-1:0]  in      = {in_type_i, in_layer_i, in_kind_i, in_last_i, in_last_group_i, in_delta_i};

  wire push      = in_valid_i && in_ready_o;
  wire head_free = !head_valid_q || out_ready_i;
  wire next_free = !next_valid_q || head_free;
  wire into_head = push && head_free && !next_valid_q;
  wire into_next = push && next_free && !into_head && !rest;
  wire into_mem  = push && !into_head && !into_next;
  wire from_mem  = rest && next_free;

  assign in_ready_o    = ready_q;
  // The port will soon want more: two entries or less; of short columns more, so that the latency of a DRAM is hidden.
  wire [2:0] enough    = (in_last_group_i < SizeBits'(4)) ? 3'd6 : (in_last_group_i < SizeBits'(16)) ? 3'd2 : 3'd0;
  assign few_o         = (waiting <= (PtrBits+1)'(enough));
  assign empty_o       = !head_valid_q;
  assign out_valid_o   = head_valid_q;
  assign next_closes_o = next_closes_q;

  // Icarus 11 knows no cast to an enum: its values are told apart by their bits.
  wire [1:0] head_type = head_q[Width-1 -: 2];
  assign out_type_o  = (head_type == EntryEnd) ? EntryEnd : (head_type == EntryBias) ? EntryBias : EntryColumn;
  assign out_layer_o = head_q[LastBit+2 +: LayerBits];
  assign out_kind_o  = head_q[LastBit+1];
  assign out_last_o  = head_q[LastBit];
  assign out_last_group_o = head_q[ActBits +: SizeBits];
  assign out_delta_o = act_t'(head_q[ActBits-1:0]);

  wire [Width-1:0] next_new    = from_mem ? oldest : in;
  wire             next_closes = (next_new[Width-1 -: 2] == EntryEnd) && next_new[LastBit];

  always_ff @(posedge clk_i) begin
    if (into_mem)  mem[write_q[PtrBits-1:0]] <= in;
    if (head_free) head_q <= next_valid_q ? next_q : in;
    if (next_free) next_q <= next_new;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      head_valid_q  <= 1'b0;
      next_valid_q  <= 1'b0;
      next_closes_q <= 1'b0;
      read_q        <= '0;
      write_q       <= '0;
      ready_q       <= 1'b1;
    end else begin
      if (head_free) head_valid_q <= next_valid_q || push;
      if (next_free) begin
        next_valid_q  <= from_mem || into_next;
        next_closes_q <= (from_mem || into_next) && next_closes;
      end
      if (into_mem) write_q <= write_q + 1'b1;
      if (from_mem) read_q  <= read_q + 1'b1;
      // Full, or about to be: a pop of the last cycle may come too late to be used, which costs nothing.
      ready_q <= (waiting < (PtrBits+1)'(Depth - 1)) || (!into_mem && !waiting[PtrBits]);
    end
  end

  `EDGEDRNN_NEVER(PushWhenFull, into_mem && (int'(waiting) >= Depth))
  `EDGEDRNN_ASSERT(WaitingWithinDepth, int'(waiting) <= Depth)
  `EDGEDRNN_ASSERT(NextIsBehindHead, !next_valid_q || head_valid_q)
  `EDGEDRNN_ASSERT(RestIsBehindNext, !rest || next_valid_q)
  `EDGEDRNN_ASSERT(ClosesIsOfNext, !next_closes_q || (next_valid_q && next_q[Width-1 -: 2] == EntryEnd && next_q[LastBit]))
  `EDGEDRNN_STABLE(HeadStable, out_valid_o, out_ready_i, head_q, flush_i)
endmodule

`default_nettype wire
