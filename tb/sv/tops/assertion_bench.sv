// SPDX-License-Identifier: Apache-2.0
// One assertion of each macro of rtl/edgedrnn_assert.svh, for tripping them from Python.
`include "edgedrnn_assert.svh"

`default_nettype none

module assertion_bench (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       flush_i,
  input  logic       valid_i,
  input  logic       ready_i,
  input  logic [7:0] data_i,
  input  logic       wrong_i,
  output logic       active_o   // this simulator knows the assertions
);
  `EDGEDRNN_ASSERT(Holds, !wrong_i || data_i != 8'd1)
  `EDGEDRNN_NEVER(Happens, wrong_i && data_i == 8'd2)
  `EDGEDRNN_STABLE(Stays, valid_i, ready_i, data_i, flush_i)

`ifdef EDGEDRNN_ASSERTIONS
  assign active_o = 1'b1;
`else
  assign active_o = 1'b0;
`endif
  wire unused = ^{clk_i, rst_ni, flush_i, valid_i, ready_i, data_i, wrong_i};
endmodule

`default_nettype wire
