// SPDX-License-Identifier: Apache-2.0
// AXI4-Lite slave, status and interrupts. Addresses and fields come from edgedrnn_reg_pkg; the registers that hold what
// is written are in settings_registers, which is generated too.
// One write and one read are served at a time; AW and W may come in either order. A write takes two cycles: it is
// judged, then carried out and answered.
// A refused access (see docs/interfaces.md) answers SLVERR and changes nothing.
`include "edgedrnn_assert.svh"

`default_nettype none

module control_registers
  import edgedrnn_pkg::*;
  import edgedrnn_reg_pkg::*;
#(
  parameter int AxiDataWidth = 64,
  parameter int Outstanding  = 16,
  parameter int MaxLayers    = 4,
  parameter int MaxUnits     = 1024,
  parameter int Counters     = GeneralCounters + LayerCounters * MaxLayers
) (
  input  logic        clk_i,
  input  logic        rst_ni,

  input  logic [11:0] s_axil_awaddr,
  input  logic [2:0]  s_axil_awprot,
  input  logic        s_axil_awvalid,
  output logic        s_axil_awready,
  input  logic [31:0] s_axil_wdata,
  input  logic [3:0]  s_axil_wstrb,
  input  logic        s_axil_wvalid,
  output logic        s_axil_wready,
  output logic [1:0]  s_axil_bresp,
  output logic        s_axil_bvalid,
  input  logic        s_axil_bready,
  input  logic [11:0] s_axil_araddr,
  input  logic [2:0]  s_axil_arprot,
  input  logic        s_axil_arvalid,
  output logic        s_axil_arready,
  output logic [31:0] s_axil_rdata,
  output logic [1:0]  s_axil_rresp,
  output logic        s_axil_rvalid,
  input  logic        s_axil_rready,

  output logic        irq_o,

  output logic        start_o,
  output logic        soft_reset_o,
  output logic        new_sequence_o,
  output logic [CoreSettingsBits-1:0]            settings_o,        // core_settings_t
  output logic [MaxLayers*LayerSettingsBits-1:0] layer_settings_o,  // layer_settings_t of each layer
  output logic        perf_clear_o,

  input  seq_state_e           state_i,
  input  logic                 busy_init_i,
  input  logic                 wait_x_i,
  input  logic [7:0]           error_cause_i,
  input  logic [LayerBits-1:0] error_layer_i,
  input  logic [15:0]          error_info_i,
  input  logic                 irq_step_i,
  input  logic                 irq_error_i,
  input  logic                 irq_ready_i,
  input  logic                 irq_reset_done_i,
  input  logic [Counters*64-1:0] count_i     // in the order of the registers: general ones, then X and H by layer
);
  localparam logic [1:0] RespOkay   = 2'b00;
  localparam logic [1:0] RespSlverr = 2'b10;

  // ---- Write channel ------------------------------------------------------------------------------------------------
  logic        aw_held_q, w_held_q, b_valid_q;
  logic        judged_q, write_ok_q;
  logic [11:0] awaddr_q;
  logic [31:0] wdata_q;
  logic [3:0]  wstrb_q;
  logic [1:0]  bresp_q;

  assign s_axil_awready = !aw_held_q;
  assign s_axil_wready  = !w_held_q;
  assign s_axil_bvalid  = b_valid_q;
  assign s_axil_bresp   = bresp_q;
  wire judge = aw_held_q && w_held_q && !b_valid_q && !judged_q;

  wire        idle      = (state_i == SeqIdle);
  wire        accepted;
  wire        write_ok  = (wstrb_q == 4'hF) && accepted;
  wire commit = judged_q && write_ok_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_held_q <= 1'b0;
      w_held_q  <= 1'b0;
      judged_q  <= 1'b0;
      b_valid_q <= 1'b0;
      bresp_q   <= RespOkay;
    end else begin
      if (s_axil_awvalid && s_axil_awready) aw_held_q <= 1'b1;
      else if (judged_q)                    aw_held_q <= 1'b0;
      if (s_axil_wvalid && s_axil_wready)   w_held_q <= 1'b1;
      else if (judged_q)                    w_held_q <= 1'b0;
      judged_q   <= judge;
      write_ok_q <= write_ok;
      if (judged_q) begin
        b_valid_q <= 1'b1;
        bresp_q   <= write_ok_q ? RespOkay : RespSlverr;
      end else if (s_axil_bready) begin
        b_valid_q <= 1'b0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (s_axil_awvalid && s_axil_awready) awaddr_q <= s_axil_awaddr;
    if (s_axil_wvalid && s_axil_wready) begin
      wdata_q <= s_axil_wdata;
      wstrb_q <= s_axil_wstrb;
    end
  end

  // ---- Registers ------------------------------------------------------------------------------------------------------
  wire [11:0]  ra = s_axil_araddr;
  logic        setting_ok, r_layer;
  logic [31:0] setting;

  settings_registers #(.MaxLayers(MaxLayers)) u_settings (
    .clk_i, .rst_ni,
    .idle_i      (idle),
    .write_addr_i(awaddr_q),
    .write_data_i(wdata_q),
    .accept_o    (accepted),
    .write_i     (commit),
    .read_addr_i (ra),
    .read_layer_o(r_layer),
    .read_ok_o   (setting_ok),
    .read_data_o (setting),
    .settings_o,
    .layer_settings_o
  );

  core_settings_t settings;
  assign settings = settings_o;
  wire [3:0] irq_enable = settings.irq_enable;
  wire unused_settings = ^settings;

  logic [3:0] irq_status_q;
  wire  [3:0] irq_set = {irq_reset_done_i, irq_ready_i, irq_error_i, irq_step_i};
  wire  w_ctrl = commit && (awaddr_q == RegCtrl);
  wire  w_perf = commit && (awaddr_q == RegPerfCtrl);

  // Commands leave from registers, while the write is being answered.
  always_ff @(posedge clk_i) begin
    start_o        <= rst_ni && w_ctrl && wdata_q[CtrlStartBit];
    soft_reset_o   <= rst_ni && w_ctrl && wdata_q[CtrlSoftResetBit];
    new_sequence_o <= rst_ni && w_ctrl && wdata_q[CtrlNewSequenceBit];
  end
  assign perf_clear_o   = w_perf && wdata_q[PerfCtrlClearBit];
  assign irq_o          = |(irq_status_q & irq_enable);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      irq_status_q <= ResetIrqStatus[3:0];
    end else begin
      // An event that comes together with the write that clears it is kept.
      irq_status_q <= irq_set | (irq_status_q & ~((commit && awaddr_q == RegIrqStatus) ? wdata_q[3:0] : 4'd0));
    end
  end

  // ---- Read channel -----------------------------------------------------------------------------------------------------
  logic [31:0] status;
  always_comb begin
    status = '0;
    status[StatusBusyBit]     = !idle;
    status[StatusRunningBit]  = (state_i == SeqInit) || (state_i == SeqWaitX) || (state_i == SeqStep);
    status[StatusWaitXBit]    = wait_x_i;
    status[StatusErrorBit]    = (state_i == SeqError);
    status[StatusDrainingBit] = (state_i == SeqDrain);
    status[StatusBusyInitBit] = busy_init_i;
    status[StatusStateLsb +: StatusStateWidth] = {5'd0, state_i};
  end

  wire        c_general = (ra[11:8] == RegCycles[11:8]) && ({1'b0, ra[7:3]} < 6'(GeneralCounters));
  wire        c_columns = (ra[11:8] == ColumnsBase[11:8]) && ({1'b0, ra[7:4]} < 5'(MaxLayers));
  // As wide as the counters need: whether there is one is known besides.
  localparam int CountBits = $clog2(GeneralCounters + LayerCounters * MaxLayers);
  wire [CountBits-1:0] c_index = (c_columns ? CountBits'(GeneralCounters) : '0) + ra[3 +: CountBits];
  wire [63:0] count     = count_i[c_index*64 +: 64];

  logic [31:0] read_data;
  logic        read_ok;
  always_comb begin
    read_ok   = 1'b1;
    read_data = '0;
    if (ra[1:0] != 2'b00) begin
      read_ok = 1'b0;
    end else if (r_layer) begin
      read_ok   = setting_ok;
      read_data = setting;
    end else if (c_general || c_columns) begin
      read_data = ra[2] ? count[63:32] : count[31:0];
    end else begin
      case (ra)
        RegId:        read_data = ResetId;
        RegVersion:   read_data = ResetVersion;
        RegBuildPort: read_data = {16'(Outstanding), 16'(AxiDataWidth)};
        RegBuildSize: read_data = {16'(MaxUnits), 8'd0, 8'(MaxLayers)};
        RegCtrl:      read_data = '0;
        RegStatus:    read_data = status;
        RegError:     read_data = {error_info_i, {(8-LayerBits){1'b0}}, error_layer_i, error_cause_i};
        RegIrqStatus: read_data = {28'd0, irq_status_q};
        default: begin
          read_ok   = setting_ok;
          read_data = setting;
        end
      endcase
    end
  end

  logic        r_valid_q;
  logic [31:0] rdata_q;
  logic [1:0]  rresp_q;
  assign s_axil_arready = !r_valid_q;
  assign s_axil_rvalid  = r_valid_q;
  assign s_axil_rdata   = rdata_q;
  assign s_axil_rresp   = rresp_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      r_valid_q <= 1'b0;
    end else if (s_axil_arvalid && s_axil_arready) begin
      r_valid_q <= 1'b1;
    end else if (s_axil_rready) begin
      r_valid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (s_axil_arvalid && s_axil_arready) begin
      rdata_q <= read_ok ? read_data : '0;
      rresp_q <= read_ok ? RespOkay : RespSlverr;
    end
  end

  wire unused = ^{s_axil_awprot, s_axil_arprot};

  `EDGEDRNN_STABLE(WriteResponseStable, s_axil_bvalid, s_axil_bready, s_axil_bresp, 1'b0)
  `EDGEDRNN_STABLE(ReadDataStable, s_axil_rvalid, s_axil_rready, {s_axil_rdata, s_axil_rresp}, 1'b0)
endmodule

`default_nettype wire
