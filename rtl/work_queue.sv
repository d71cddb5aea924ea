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
  input  work_t                in_i,

  output logic                 out_valid_o,
  input  logic                 out_ready_i,
  output work_t                out_o,
  output logic                 next_closes_o,   // the entry behind the head is an EntryEnd with last
  output logic                 few_o,           // the port will soon want more
  output logic                 empty_o
);
  localparam int PtrBits = $clog2(Depth);

  // The head and the entry behind it are registers, so that what the PEs decide on comes from no memory; the rest
  // waits in a small memory.
  logic             head_valid_q, next_valid_q;
  work_t            head_q, next_q;
  logic             next_closes_q;      // the entry behind the head is an EntryEnd with last
  work_t            mem [Depth];
  logic [PtrBits:0] read_q, write_q;
  logic             ready_q;            // there is room behind

  wire [PtrBits:0]  waiting = write_q - read_q;
  wire              rest    = (waiting != '0);
  work_t            oldest, next_new;
  assign oldest = mem[read_q[PtrBits-1:0]];

  wire push      = in_valid_i && in_ready_o;
  wire head_free = !head_valid_q || out_ready_i;
  wire next_free = !next_valid_q || head_free;
  wire into_head = push && head_free && !next_valid_q;
  wire into_next = push && next_free && !into_head && !rest;
  wire into_mem  = push && !into_head && !into_next;
  wire from_mem  = rest && next_free;

  assign in_ready_o    = ready_q;
  // The port will soon want more: two entries or less; of short columns more, so that the latency of a DRAM is hidden.
  wire [2:0] enough    = (in_i.last_group < SizeBits'(4)) ? 3'd6 : (in_i.last_group < SizeBits'(16)) ? 3'd2 : 3'd0;
  assign few_o         = (waiting <= (PtrBits+1)'(enough));
  assign empty_o       = !head_valid_q;
  assign out_valid_o   = head_valid_q;
  assign out_o         = head_q;
  assign next_closes_o = next_closes_q;

  assign next_new      = from_mem ? oldest : in_i;
  wire   next_closes   = (next_new.op == EntryEnd) && next_new.last;

  always_ff @(posedge clk_i) begin
    if (into_mem)  mem[write_q[PtrBits-1:0]] <= in_i;
    if (head_free) head_q <= next_valid_q ? next_q : in_i;
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
  `EDGEDRNN_ASSERT(ClosesIsOfNext, !next_closes_q || (next_valid_q && next_q.op == EntryEnd && next_q.last))
  `EDGEDRNN_STABLE(HeadStable, out_valid_o, out_ready_i, head_q, flush_i)
endmodule

`default_nettype wire
