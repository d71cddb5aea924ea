// SPDX-License-Identifier: Apache-2.0
// axi_dram under the eyes of axi_checker, driven from Python.

`default_nettype none

module axi_dram_bench #(
  parameter int DataWidth = 64
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 done_i,
  input  logic [31:0]          araddr_i,
  input  logic [7:0]           arlen_i,
  input  logic [2:0]           arsize_i,
  input  logic [1:0]           arburst_i,
  input  logic                 arvalid_i,
  output logic                 arready_o,
  output logic [DataWidth-1:0] rdata_o,
  output logic [1:0]           rresp_o,
  output logic                 rlast_o,
  output logic                 rvalid_o,
  input  logic                 rready_i,
  output logic [63:0]          beat_count_o,
  output logic [31:0]          error_count_o,
  output logic [31:0]          checker_errors_o
);

  logic rid;

  axi_dram #(
    .DataWidth(DataWidth),
    .MemBytes (1024 * 1024)
  ) u_dram (
    .clk_i,
    .rst_ni,
    .arid_i(1'b0),
    .araddr_i,
    .arlen_i,
    .arsize_i,
    .arburst_i,
    .arvalid_i,
    .arready_o,
    .rid_o(rid),
    .rdata_o,
    .rresp_o,
    .rlast_o,
    .rvalid_o,
    .rready_i,
    .beat_count_o,
    .error_count_o
  );

  axi_checker #(
    .DataWidth     (DataWidth),
    .MaxOutstanding(64)
  ) u_checker (
    .clk_i,
    .rst_ni,
    .done_i,
    .misuse_i     (1'b0),
    .arid_i       (1'b0),
    .araddr_i,
    .arlen_i,
    .arsize_i,
    .arburst_i,
    .arlock_i     (1'b0),
    .arcache_i    (4'd0),
    .arprot_i     (3'd0),
    .arqos_i      (4'd0),
    .arvalid_i,
    .arready_i    (arready_o),
    .rid_i        (rid),
    .rdata_i      (rdata_o),
    .rresp_i      (rresp_o),
    .rlast_i      (rlast_o),
    .rvalid_i     (rvalid_o),
    .rready_i,
    .error_count_o(checker_errors_o)
  );

endmodule

`default_nettype wire
