// SPDX-License-Identifier: Apache-2.0
// Simple dual-port memory: one synchronous read port, one write port with a write enable per lane.
// Maps to block RAM; the output holds its value while re_i is low, which the pipelines around it rely on when they
// stall. A lane that is read in the very cycle in which it is written has no defined value: block RAMs differ in it,
// and forwarding would cost registers. In simulation it reads as the complement of the old one, so that a pipeline
// which relies on either the old or the new value is caught.
`default_nettype none

module ram_1r1w #(
  parameter int Width      = 32,
  parameter int Depth      = 512,
  parameter int WriteLanes = 1,
  parameter int AddrBits   = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic                  clk_i,
  input  logic                  re_i,
  input  logic [AddrBits-1:0]   raddr_i,
  output logic [Width-1:0]      rdata_o,
  input  logic [WriteLanes-1:0] we_i,
  input  logic [AddrBits-1:0]   waddr_i,
  input  logic [Width-1:0]      wdata_i
);
  localparam int LaneWidth = Width / WriteLanes;

  (* no_rw_check *)
  logic [Width-1:0] mem [Depth];

  always_ff @(posedge clk_i) begin
    if (re_i) rdata_o <= mem[raddr_i];
`ifndef SYNTHESIS
    if (re_i && we_i != '0 && raddr_i == waddr_i) rdata_o <= mem[raddr_i] ^ collision;
`endif
  end

`ifndef SYNTHESIS
  logic [Width-1:0] collision;
  always_comb begin
    for (int lane = 0; lane < WriteLanes; lane++) collision[lane*LaneWidth +: LaneWidth] = {LaneWidth{we_i[lane]}};
  end
`endif

  for (genvar lane = 0; lane < WriteLanes; lane++) begin : gen_lane
    always_ff @(posedge clk_i) begin
      if (we_i[lane]) begin
        mem[waddr_i][lane*LaneWidth +: LaneWidth] <= wdata_i[lane*LaneWidth +: LaneWidth];
      end
    end
  end
endmodule

`default_nettype wire
