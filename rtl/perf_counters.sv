// SPDX-License-Identifier: Apache-2.0
// 64-bit performance counters. Counting stops while freeze_i is 1; clear_i sets all to zero, even when frozen.
`default_nettype none

module perf_counters #(
  parameter int Counters = 8
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   freeze_i,
  input  logic                   clear_i,
  input  logic [Counters-1:0]    event_i,
  output logic [Counters*64-1:0] count_o
);
  logic [Counters*64-1:0] count_q;
  assign count_o = count_q;

  for (genvar i = 0; i < Counters; i++) begin : gen_counter
    always_ff @(posedge clk_i) begin
      if (!rst_ni || clear_i)           count_q[i*64 +: 64] <= '0;
      else if (event_i[i] && !freeze_i) count_q[i*64 +: 64] <= count_q[i*64 +: 64] + 1'b1;
    end
  end
endmodule

`default_nettype wire
