// SPDX-License-Identifier: Apache-2.0
// The core and its DRAM, and nothing else: what a bare C++ loop simulates (tb/sv/cpp/loop_main.cpp). It tells what the
// simulation costs without cocotb, checkers and trace. Every other bus is a set of ports that the loop drives.

`default_nettype none

module loop_top #(
  parameter int AxiDataWidth = 64,
  parameter int AxiAddrWidth = 32,
  parameter int MaxLayers = 4,
  parameter int MaxUnits = 1024,
  parameter int Outstanding = 16,
  parameter int MemBytes = 8 * 1024 * 1024
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  output logic         irq_o,
  output logic [63:0]  dram_beats_o,
  output logic [31:0]  dram_errors_o,

  input  logic [11:0]  s_axil_awaddr,
  input  logic         s_axil_awvalid,
  output logic         s_axil_awready,
  input  logic [31:0]  s_axil_wdata,
  input  logic         s_axil_wvalid,
  output logic         s_axil_wready,
  output logic [1:0]   s_axil_bresp,
  output logic         s_axil_bvalid,
  input  logic         s_axil_bready,
  input  logic [11:0]  s_axil_araddr,
  input  logic         s_axil_arvalid,
  output logic         s_axil_arready,
  output logic [31:0]  s_axil_rdata,
  output logic [1:0]   s_axil_rresp,
  output logic         s_axil_rvalid,
  input  logic         s_axil_rready,

  input  logic [127:0] s_axis_x_tdata,
  input  logic         s_axis_x_tvalid,
  output logic         s_axis_x_tready,
  input  logic         s_axis_x_tlast,

  output logic [127:0] m_axis_h_tdata,
  output logic         m_axis_h_tvalid,
  input  logic         m_axis_h_tready,
  output logic         m_axis_h_tlast
);

  logic [0:0]              m_axi_arid;
  logic [AxiAddrWidth-1:0] m_axi_araddr;
  logic [7:0]              m_axi_arlen;
  logic [2:0]              m_axi_arsize;
  logic [1:0]              m_axi_arburst;
  logic                    m_axi_arvalid;
  logic                    m_axi_arready;
  logic [0:0]              m_axi_rid;
  logic [AxiDataWidth-1:0] m_axi_rdata;
  logic [1:0]              m_axi_rresp;
  logic                    m_axi_rlast;
  logic                    m_axi_rvalid;
  logic                    m_axi_rready;

  edgedrnn #(
    .AxiDataWidth(AxiDataWidth),
    .AxiAddrWidth(AxiAddrWidth),
    .MaxLayers   (MaxLayers),
    .MaxUnits    (MaxUnits),
    .Outstanding (Outstanding)
  ) u_dut (
    .clk_i,
    .rst_ni,
    .irq_o,
    .s_axil_awaddr,
    .s_axil_awprot(3'd0),
    .s_axil_awvalid,
    .s_axil_awready,
    .s_axil_wdata,
    .s_axil_wstrb (4'hf),
    .s_axil_wvalid,
    .s_axil_wready,
    .s_axil_bresp,
    .s_axil_bvalid,
    .s_axil_bready,
    .s_axil_araddr,
    .s_axil_arprot(3'd0),
    .s_axil_arvalid,
    .s_axil_arready,
    .s_axil_rdata,
    .s_axil_rresp,
    .s_axil_rvalid,
    .s_axil_rready,
    .m_axi_arid,
    .m_axi_araddr,
    .m_axi_arlen,
    .m_axi_arsize,
    .m_axi_arburst,
    .m_axi_arlock (),
    .m_axi_arcache(),
    .m_axi_arprot (),
    .m_axi_arqos  (),
    .m_axi_arvalid,
    .m_axi_arready,
    .m_axi_rid,
    .m_axi_rdata,
    .m_axi_rresp,
    .m_axi_rlast,
    .m_axi_rvalid,
    .m_axi_rready,
    .s_axis_x_tdata,
    .s_axis_x_tvalid,
    .s_axis_x_tready,
    .s_axis_x_tlast,
    .m_axis_h_tdata,
    .m_axis_h_tuser(),
    .m_axis_h_tvalid,
    .m_axis_h_tready,
    .m_axis_h_tlast
  );

  axi_dram #(
    .DataWidth(AxiDataWidth),
    .AddrWidth(AxiAddrWidth),
    .MemBytes (MemBytes)
  ) u_dram (
    .clk_i,
    .rst_ni,
    .arid_i       (m_axi_arid),
    .araddr_i     (m_axi_araddr),
    .arlen_i      (m_axi_arlen),
    .arsize_i     (m_axi_arsize),
    .arburst_i    (m_axi_arburst),
    .arvalid_i    (m_axi_arvalid),
    .arready_o    (m_axi_arready),
    .rid_o        (m_axi_rid),
    .rdata_o      (m_axi_rdata),
    .rresp_o      (m_axi_rresp),
    .rlast_o      (m_axi_rlast),
    .rvalid_o     (m_axi_rvalid),
    .rready_i     (m_axi_rready),
    .beat_count_o (dram_beats_o),
    .error_count_o(dram_errors_o)
  );

endmodule

`default_nettype wire
