// SPDX-License-Identifier: Apache-2.0
// First-in first-out queue between two ready/valid streams. The head is visible as soon as it is
// stored (one cycle after the push). Depth is a power of two; Depth 2 is a full-throughput register slice.
`include "edgedrnn_assert.svh"

`default_nettype none

module stream_fifo #(
  parameter int Width = 32,
  parameter int Depth = 2
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             flush_i,     // forget everything
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o,
  output logic             empty_o
);
  localparam int PtrBits = $clog2(Depth);

  logic [Width-1:0] mem [Depth];
  logic [PtrBits:0] head_q, tail_q;   // one bit more than the index tells full from empty
  logic             valid_q;          // not empty: told from a register

  wire full  = (tail_q[PtrBits-1:0] == head_q[PtrBits-1:0]) && (tail_q[PtrBits] != head_q[PtrBits]);
  wire push  = in_valid_i && in_ready_o;
  wire pop   = out_valid_o && out_ready_i;
  wire last  = (head_q + 1'b1 == tail_q);

  assign empty_o     = !valid_q;
  assign in_ready_o  = !full;
  assign out_valid_o = valid_q;
  assign out_data_o  = mem[head_q[PtrBits-1:0]];

  always_ff @(posedge clk_i) begin
    if (push) mem[tail_q[PtrBits-1:0]] <= in_data_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      head_q  <= '0;
      tail_q  <= '0;
      valid_q <= 1'b0;
    end else begin
      if (push) tail_q <= tail_q + 1'b1;
      if (pop)  head_q <= head_q + 1'b1;
      if (push)     valid_q <= 1'b1;
      else if (pop) valid_q <= !last;
    end
  end

  `EDGEDRNN_NEVER(PushWhenFull, push && full)
  `EDGEDRNN_NEVER(PopWhenEmpty, pop && (head_q == tail_q))
  `EDGEDRNN_ASSERT(CountWithinDepth, int'((PtrBits+1)'(tail_q - head_q)) <= Depth)
  `EDGEDRNN_ASSERT(ValidMeansNotEmpty, valid_q == (head_q != tail_q))
  `EDGEDRNN_STABLE(OutputStable, out_valid_o, out_ready_i, out_data_o, flush_i)
endmodule

`default_nettype wire
