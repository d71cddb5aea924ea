// SPDX-License-Identifier: Apache-2.0
// Bench top for cocotb: the core, a protocol checker on each bus and on the streams inside, and the trace monitor.
//
// Every bus is a set of ports with its AXI names, so that Python agents infer them by prefix:
// s_axil, m_axi, s_axis_x, m_axis_h. Python drives the clock. The checkers count what they find;
// Python reads the counts at the end of a test. `done_i` rises when everything ought to be drained.
// `probe_o` holds in one word what functional coverage looks at in each cycle (probe_pkg.sv).
// While `misuse_i` is 1 the memory breaks the rules on purpose, and the weight port's checker lets it.
// `x_beats_i` and `h_beats_i` say how long packets are; 0 says that any length will do.
`default_nettype none

module edgedrnn_tb
  import probe_pkg::*;
#(
  parameter int AxiDataWidth = 64,
  parameter int AxiAddrWidth = 32,
  parameter int MaxLayers    = 4,
  parameter int MaxUnits     = 1024,
  parameter int Outstanding  = 16
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  output logic                    irq_o,

  input  logic                    done_i,
  input  logic                    misuse_i,
  input  logic [15:0]             x_beats_i,
  input  logic [15:0]             h_beats_i,
  output logic [31:0]             axil_errors_o,
  output logic [31:0]             axi_errors_o,
  output logic [31:0]             x_errors_o,
  output logic [31:0]             h_errors_o,
  output logic [31:0]             core_errors_o,
  output logic [ProbeBits-1:0]    probe_o,

  input  logic [11:0]             s_axil_awaddr,
  input  logic [2:0]              s_axil_awprot,
  input  logic                    s_axil_awvalid,
  output logic                    s_axil_awready,
  input  logic [31:0]             s_axil_wdata,
  input  logic [3:0]              s_axil_wstrb,
  input  logic                    s_axil_wvalid,
  output logic                    s_axil_wready,
  output logic [1:0]              s_axil_bresp,
  output logic                    s_axil_bvalid,
  input  logic                    s_axil_bready,
  input  logic [11:0]             s_axil_araddr,
  input  logic [2:0]              s_axil_arprot,
  input  logic                    s_axil_arvalid,
  output logic                    s_axil_arready,
  output logic [31:0]             s_axil_rdata,
  output logic [1:0]              s_axil_rresp,
  output logic                    s_axil_rvalid,
  input  logic                    s_axil_rready,

  output logic                    m_axi_arid,
  output logic [AxiAddrWidth-1:0] m_axi_araddr,
  output logic [7:0]              m_axi_arlen,
  output logic [2:0]              m_axi_arsize,
  output logic [1:0]              m_axi_arburst,
  output logic                    m_axi_arlock,
  output logic [3:0]              m_axi_arcache,
  output logic [2:0]              m_axi_arprot,
  output logic [3:0]              m_axi_arqos,
  output logic                    m_axi_arvalid,
  input  logic                    m_axi_arready,
  input  logic                    m_axi_rid,
  input  logic [AxiDataWidth-1:0] m_axi_rdata,
  input  logic [1:0]              m_axi_rresp,
  input  logic                    m_axi_rlast,
  input  logic                    m_axi_rvalid,
  output logic                    m_axi_rready,

  input  logic [127:0]            s_axis_x_tdata,
  input  logic                    s_axis_x_tvalid,
  output logic                    s_axis_x_tready,
  input  logic                    s_axis_x_tlast,

  output logic [127:0]            m_axis_h_tdata,
  output logic                    m_axis_h_tuser,
  output logic                    m_axis_h_tvalid,
  input  logic                    m_axis_h_tready,
  output logic                    m_axis_h_tlast
);
  `include "core_taps.svh"

  // Ports of a simulation may start at any value: a clock edge at time 0 that nobody made would
  // show the checkers buses that have not been reset.
  logic started = 1'b0;
  initial #1 started = 1'b1;
  wire clk = clk_i && started;

  edgedrnn #(
    .AxiDataWidth(AxiDataWidth),
    .AxiAddrWidth(AxiAddrWidth),
    .MaxLayers   (MaxLayers),
    .MaxUnits    (MaxUnits),
    .Outstanding (Outstanding)
  ) u_dut (
    .clk_i(clk),
    .rst_ni,
    .irq_o,
    .s_axil_awaddr,
    .s_axil_awprot,
    .s_axil_awvalid,
    .s_axil_awready,
    .s_axil_wdata,
    .s_axil_wstrb,
    .s_axil_wvalid,
    .s_axil_wready,
    .s_axil_bresp,
    .s_axil_bvalid,
    .s_axil_bready,
    .s_axil_araddr,
    .s_axil_arprot,
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
    .m_axi_arlock,
    .m_axi_arcache,
    .m_axi_arprot,
    .m_axi_arqos,
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
    .m_axis_h_tuser,
    .m_axis_h_tvalid,
    .m_axis_h_tready,
    .m_axis_h_tlast
  );

  probe_t probe;
  assign probe.soft_reset = `tap_soft_reset;
  assign probe.state      = `tap_state;
  assign probe.rresp      = m_axi_rresp;
  assign probe.rlast      = m_axi_rlast;
  assign probe.rready     = m_axi_rready;
  assign probe.rvalid     = m_axi_rvalid;
  assign probe.arready    = m_axi_arready;
  assign probe.arvalid    = m_axi_arvalid;
  assign probe_o = probe;

  axil_checker u_axil_checker (
    .clk_i(clk),
    .rst_ni,
    .done_i,
    .awaddr_i     (s_axil_awaddr),
    .awprot_i     (s_axil_awprot),
    .awvalid_i    (s_axil_awvalid),
    .awready_i    (s_axil_awready),
    .wdata_i      (s_axil_wdata),
    .wstrb_i      (s_axil_wstrb),
    .wvalid_i     (s_axil_wvalid),
    .wready_i     (s_axil_wready),
    .bresp_i      (s_axil_bresp),
    .bvalid_i     (s_axil_bvalid),
    .bready_i     (s_axil_bready),
    .araddr_i     (s_axil_araddr),
    .arprot_i     (s_axil_arprot),
    .arvalid_i    (s_axil_arvalid),
    .arready_i    (s_axil_arready),
    .rdata_i      (s_axil_rdata),
    .rresp_i      (s_axil_rresp),
    .rvalid_i     (s_axil_rvalid),
    .rready_i     (s_axil_rready),
    .error_count_o(axil_errors_o)
  );

  axi_checker #(
    .DataWidth     (AxiDataWidth),
    .AddrWidth     (AxiAddrWidth),
    .MaxOutstanding(Outstanding)
  ) u_axi_checker (
    .clk_i(clk),
    .rst_ni,
    .done_i,
    .misuse_i,
    .arid_i       (m_axi_arid),
    .araddr_i     (m_axi_araddr),
    .arlen_i      (m_axi_arlen),
    .arsize_i     (m_axi_arsize),
    .arburst_i    (m_axi_arburst),
    .arlock_i     (m_axi_arlock),
    .arcache_i    (m_axi_arcache),
    .arprot_i     (m_axi_arprot),
    .arqos_i      (m_axi_arqos),
    .arvalid_i    (m_axi_arvalid),
    .arready_i    (m_axi_arready),
    .rid_i        (m_axi_rid),
    .rdata_i      (m_axi_rdata),
    .rresp_i      (m_axi_rresp),
    .rlast_i      (m_axi_rlast),
    .rvalid_i     (m_axi_rvalid),
    .rready_i     (m_axi_rready),
    .error_count_o(axi_errors_o)
  );

  axis_checker u_x_checker (
    .clk_i(clk),
    .rst_ni,
    .done_i,
    .expected_beats_i(x_beats_i),
    .tdata_i         (s_axis_x_tdata),
    .tuser_i         (1'b0),
    .tlast_i         (s_axis_x_tlast),
    .tvalid_i        (s_axis_x_tvalid),
    .tready_i        (s_axis_x_tready),
    .error_count_o   (x_errors_o)
  );

  axis_checker u_h_checker (
    .clk_i(clk),
    .rst_ni,
    .done_i,
    .expected_beats_i(h_beats_i),
    .tdata_i         (m_axis_h_tdata),
    .tuser_i         (m_axis_h_tuser),
    .tlast_i         (m_axis_h_tlast),
    .tvalid_i        (m_axis_h_tvalid),
    .tready_i        (m_axis_h_tready),
    .error_count_o   (h_errors_o)
  );

  core_checker u_core_checker (
    .clk_i(clk),
    .rst_ni,
    .error_count_o(core_errors_o)
  );

  stream_fields u_fields ();

  trace_monitor u_trace (
    .clk_i(clk),
    .rst_ni
  );

`ifdef REPLAY
  deep_monitor #(.AxiDataWidth(AxiDataWidth), .MaxLayers(MaxLayers), .MaxUnits(MaxUnits)) u_deep (
    .clk_i(clk), .rst_ni(rst_ni)
  );
  golden_probe #(.AxiDataWidth(AxiDataWidth)) u_golden (.clk_i(clk));
`endif

  timeline_monitor #(
    .AxiDataWidth(AxiDataWidth)
  ) u_timeline (
    .clk_i(clk),
    .rst_ni
  );

endmodule

`default_nettype wire
