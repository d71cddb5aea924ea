// SPDX-License-Identifier: Apache-2.0
// Register slice between two ready/valid streams: what leaves comes from registers, and so does in_ready_o, so neither
// data nor stalls pass through combinationally. One cycle of latency, full throughput. A word that arrives in the
// cycle in which the output stalls waits in a second register.
`include "edgedrnn_assert.svh"

`default_nettype none

module stream_register #(
  parameter int Width = 32
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             flush_i,     // forget everything
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);
  logic             valid_q, spare_valid_q;
  logic [Width-1:0] data_q, spare_q;

  wire free = !valid_q || out_ready_i;
  wire push = in_valid_i && in_ready_o;

  assign in_ready_o  = !spare_valid_q;
  assign out_valid_o = valid_q;
  assign out_data_o  = data_q;

  always_ff @(posedge clk_i) begin
    if (free) data_q  <= spare_valid_q ? spare_q : in_data_i;
    if (in_ready_o) spare_q <= in_data_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      valid_q       <= 1'b0;
      spare_valid_q <= 1'b0;
    end else if (free) begin
      valid_q       <= spare_valid_q || push;
      spare_valid_q <= 1'b0;
    end else if (push) begin
      spare_valid_q <= 1'b1;
    end
  end

  `EDGEDRNN_ASSERT(SpareIsBehindOutput, !spare_valid_q || valid_q)
  `EDGEDRNN_STABLE(OutputStable, out_valid_o, out_ready_i, out_data_o, flush_i)
endmodule

`default_nettype wire
