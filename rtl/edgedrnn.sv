// SPDX-License-Identifier: Apache-2.0
// EdgeDRNN: delta-GRU accelerator. Weights stay in external DRAM; only the columns of elements that have moved by at
// least a threshold are read.
//
//   s_axis_x -> x_ingress -> delta_encoder -> column_fetch -> burst_reader <-> m_axi (DRAM)
//                               ^     ^            |               |
//                               |     |            v work          v beats
//                          references |        work_queue ---> pe_array (delta memories)
//                                     |                            |
//                               hidden_memory <--- gate_pipeline <-+ ---> h_egress -> m_axis_h
//
//   s_axil -> control_registers -> sequencer (which pass runs next; faults; resets)
//
// Every arrow is a ready/valid stream or a memory port. docs/architecture.md has the pipelines cycle by cycle,
// docs/interfaces.md the contract with the world outside.
`include "edgedrnn_assert.svh"

`default_nettype none

module edgedrnn
  import edgedrnn_pkg::*;
  import edgedrnn_reg_pkg::*;
#(
  parameter int AxiDataWidth = 64,     // 32, 64, 128 or 256; one PE for each 8 bits
  parameter int AxiAddrWidth = 32,     // 12 ... 32
  parameter int MaxLayers    = 4,      // 1 ... 8
  parameter int MaxUnits     = 1024,   // 64, 128, 256, 512 or 1024
  parameter int Outstanding  = 16      // AXI bursts under way: power of two, 2 ... 64
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  output logic                    irq_o,

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

  output logic [0:0]              m_axi_arid,
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
  input  logic [0:0]              m_axi_rid,
  input  logic [AxiDataWidth-1:0] m_axi_rdata,
  input  logic [1:0]              m_axi_rresp,
  input  logic                    m_axi_rlast,
  input  logic                    m_axi_rvalid,
  output logic                    m_axi_rready,

  input  logic [VecWidth-1:0]     s_axis_x_tdata,
  input  logic                    s_axis_x_tvalid,
  output logic                    s_axis_x_tready,
  input  logic                    s_axis_x_tlast,

  output logic [VecWidth-1:0]     m_axis_h_tdata,
  output logic                    m_axis_h_tuser,
  output logic                    m_axis_h_tvalid,
  input  logic                    m_axis_h_tready,
  output logic                    m_axis_h_tlast
);
  localparam int Pes       = AxiDataWidth / WeightBits;
  localparam int PeShift   = $clog2(Pes);
  localparam int WordWidth = Pes * AccBits;
  localparam int Counters  = GeneralCounters + LayerCounters * MaxLayers;

  // Build parameters out of range stop the simulation before it starts (Icarus 11 knows no elaboration tasks).
  if (!(AxiDataWidth == 32 || AxiDataWidth == 64 || AxiDataWidth == 128 || AxiDataWidth == 256)) begin : gen_bad_width
    initial $fatal(1, "edgedrnn: AxiDataWidth must be 32, 64, 128 or 256");
  end
  if (!(MaxUnits == 64 || MaxUnits == 128 || MaxUnits == 256 || MaxUnits == 512 || MaxUnits == 1024))
  begin : gen_bad_units
    initial $fatal(1, "edgedrnn: MaxUnits must be 64, 128, 256, 512 or 1024");
  end
  if (MaxLayers < 1 || MaxLayers > 8) begin : gen_bad_layers
    initial $fatal(1, "edgedrnn: MaxLayers must be 1 to 8");
  end
  if (AxiAddrWidth < 12 || AxiAddrWidth > 32) begin : gen_bad_addr
    initial $fatal(1, "edgedrnn: AxiAddrWidth must be 12 to 32");
  end
  if (Outstanding < 2 || Outstanding > 64 || (Outstanding & (Outstanding - 1)) != 0) begin : gen_bad_outstanding
    initial $fatal(1, "edgedrnn: Outstanding must be a power of two from 2 to 64");
  end

  // ---- Configuration ------------------------------------------------------------------------------------------------
  logic        start, soft_reset, new_sequence, perf_clear;
  core_settings_t settings;
  logic [MaxLayers*LayerSettingsBits-1:0] layer_settings;
  wire [3:0]   num_layers  = settings.num_layers;
  wire [3:0]   lut_frac    = settings.lut_frac;
  wire [31:0]  timeout     = settings.timeout;
  wire         perf_freeze = settings.perf_ctrl[PerfCtrlFreezeBit];
  logic [MaxLayers*SizeBits-1:0]     input_size, hidden_size, groups;
  logic [MaxLayers*ThetaBits-1:0]    theta_x, theta_h;
  logic [MaxLayers*32-1:0]           addr_wx, addr_wh, addr_bias;
  logic [MaxLayers*AxiAddrWidth-1:0] bus_wx, bus_wh, bus_bias;

  for (genvar l = 0; l < MaxLayers; l++) begin : gen_layer
    layer_settings_t layer;
    assign layer = layer_settings[l*LayerSettingsBits +: LayerSettingsBits];
    assign input_size [l*SizeBits  +: SizeBits]  = layer.input_size;
    assign hidden_size[l*SizeBits  +: SizeBits]  = layer.hidden_size;
    assign theta_x    [l*ThetaBits +: ThetaBits] = layer.theta_x;
    assign theta_h    [l*ThetaBits +: ThetaBits] = layer.theta_h;
    assign addr_wx    [l*32 +: 32]               = layer.addr_wx;
    assign addr_wh    [l*32 +: 32]               = layer.addr_wh;
    assign addr_bias  [l*32 +: 32]               = layer.addr_bias;

    wire [SizeBits-1:0] units    = hidden_size[l*SizeBits +: SizeBits];
    wire [SizeBits:0]   units_up = {1'b0, units} + (SizeBits+1)'(Pes - 1);
    always_ff @(posedge clk_i) groups[l*SizeBits +: SizeBits] <= SizeBits'(units_up >> PeShift);
    assign bus_wx  [l*AxiAddrWidth +: AxiAddrWidth] = addr_wx  [l*32 +: AxiAddrWidth];
    assign bus_wh  [l*AxiAddrWidth +: AxiAddrWidth] = addr_wh  [l*32 +: AxiAddrWidth];
    assign bus_bias[l*AxiAddrWidth +: AxiAddrWidth] = addr_bias[l*32 +: AxiAddrWidth];
  end

  // ---- Sequencer ----------------------------------------------------------------------------------------------------
  seq_state_e           state;
  logic                 busy_init, ready, reset_done, fault, flush, drain;
  logic [7:0]           error_cause;
  logic [LayerBits-1:0] error_layer;
  logic [15:0]          error_info;

  logic                 x_open, x_drop, x_first, x_short, x_long;
  logic [VecBits:0]     x_beat;
  logic                 x_valid, x_ready;
  logic [VecWidth-1:0]  x_data;

  logic                 pass_valid, pass_ready;
  pass_t                pass;

  logic encoder_idle, fetch_idle, work_few, reader_idle, pe_idle, gate_start, gate_ready, gate_done;
  logic slverr, decerr, r_short, r_long, r_unowed, timed_out, give_up, gave_up;

  // Little is queued for the PEs, as of the last cycle.
  logic work_low_q;
  always_ff @(posedge clk_i) work_low_q <= fetch_idle && work_few;

  sequencer #(
    .AxiDataWidth(AxiDataWidth), .AxiAddrWidth(AxiAddrWidth), .MaxLayers(MaxLayers), .MaxUnits(MaxUnits)
  ) u_sequencer (
    .clk_i, .rst_ni,
    .start_i       (start),
    .soft_reset_i  (soft_reset),
    .new_sequence_i(new_sequence),
    .num_layers_i  (num_layers),
    .lut_frac_i    (lut_frac),
    .input_size_i  (input_size),
    .hidden_size_i (hidden_size),
    .groups_i      (groups),
    .theta_x_i     (theta_x),
    .theta_h_i     (theta_h),
    .addr_wx_i     (addr_wx),
    .addr_wh_i     (addr_wh),
    .addr_bias_i   (addr_bias),
    .x_open_o      (x_open),
    .x_drop_o      (x_drop),
    .x_first_i     (x_first),
    .x_short_i     (x_short),
    .x_long_i      (x_long),
    .x_beat_i      (x_beat),
    .pass_valid_o  (pass_valid),
    .pass_ready_i  (pass_ready),
    .pass_o        (pass),
    .gate_started_i(gate_start && gate_ready),
    .gate_done_i   (gate_done),
    .work_low_i      (work_low_q),
    .quiet_i       (encoder_idle && fetch_idle && reader_idle && pe_idle),
    .bus_idle_i    (reader_idle),
    .slverr_i      (slverr),
    .decerr_i      (decerr),
    .r_short_i     (r_short),
    .r_long_i      (r_long),
    .r_unowed_i    (r_unowed),
    .timeout_i     (timed_out),
    .gave_up_i     (gave_up),
    .flush_o       (flush),
    .drain_o       (drain),
    .give_up_o     (give_up),
    .state_o       (state),
    .busy_init_o   (busy_init),
    .ready_o       (ready),
    .reset_done_o  (reset_done),
    .fault_o       (fault),
    .error_cause_o (error_cause),
    .error_layer_o (error_layer),
    .error_info_o  (error_info)
  );

  // ---- Input and encoder ----------------------------------------------------------------------------------------------
  x_ingress u_x_ingress (
    .clk_i, .rst_ni,
    .flush_i  (flush),
    .open_i   (x_open),
    .drop_i   (x_drop),
    .size_i   (input_size[SizeBits-1:0]),
    .s_axis_x_tdata, .s_axis_x_tvalid, .s_axis_x_tready, .s_axis_x_tlast,
    .first_o  (x_first),
    .x_valid_o(x_valid),
    .x_ready_i(x_ready),
    .x_data_o (x_data),
    .short_o  (x_short),
    .long_o   (x_long),
    .beat_o   (x_beat)
  );

  logic                 enc_h_re, enc_h_clear;
  logic [LayerBits-1:0] enc_h_layer;
  logic [VecBits-1:0]   enc_h_vec;
  logic [VecWidth-1:0]  enc_h_rdata;
  logic                 gate_busy;
  logic [LayerBits-1:0] gate_layer;
  logic [VecBits:0]     gate_vecs;

  logic                 entry_valid, entry_ready;
  entry_t               entry;

  delta_encoder #(.MaxLayers(MaxLayers), .MaxUnits(MaxUnits)) u_delta_encoder (
    .clk_i, .rst_ni,
    .flush_i      (flush),
    .pass_valid_i (pass_valid),
    .pass_ready_o (pass_ready),
    .pass_i       (pass),
    .x_valid_i    (x_valid),
    .x_ready_o    (x_ready),
    .x_data_i     (x_data),
    .h_re_o       (enc_h_re),
    .h_layer_o    (enc_h_layer),
    .h_vec_o      (enc_h_vec),
    .h_rdata_i    (enc_h_rdata),
    .h_clear_o    (enc_h_clear),
    .gate_busy_i  (gate_busy),
    .gate_layer_i (gate_layer),
    .gate_vecs_i  (gate_vecs),
    .entry_valid_o(entry_valid),
    .entry_ready_i(entry_ready),
    .entry_o      (entry),
    .idle_o       (encoder_idle)
  );

  // ---- Columns ----------------------------------------------------------------------------------------------------------
  logic                    burst_valid, burst_ready;
  logic [AxiAddrWidth-1:0] burst_addr;
  logic [FetchBits-1:0]    burst_beats;
  logic                    push_valid, push_ready;
  work_t                   push;
  logic                    column, undo;

  column_fetch #(
    .AxiDataWidth(AxiDataWidth), .AxiAddrWidth(AxiAddrWidth), .MaxLayers(MaxLayers)
  ) u_column_fetch (
    .clk_i, .rst_ni,
    .flush_i      (flush),
    .groups_i     (groups),
    .addr_wx_i    (bus_wx),
    .addr_wh_i    (bus_wh),
    .addr_bias_i  (bus_bias),
    .entry_valid_i(entry_valid),
    .entry_ready_o(entry_ready),
    .entry_i      (entry),
    .burst_valid_o(burst_valid),
    .burst_ready_i(burst_ready),
    .burst_addr_o (burst_addr),
    .burst_beats_o(burst_beats),
    .work_valid_o (push_valid),
    .work_ready_i (push_ready),
    .work_o       (push),
    .column_o     (column),
    .undo_o       (undo),
    .idle_o       (fetch_idle)
  );

  logic                    beat_valid, beat_ready, beat_taken, bus_waiting;
  logic [AxiDataWidth-1:0] beat_data;

  burst_reader #(
    .AxiDataWidth(AxiDataWidth), .AxiAddrWidth(AxiAddrWidth), .Outstanding(Outstanding)
  ) u_burst_reader (
    .clk_i, .rst_ni,
    .drain_i      (drain),
    .give_up_i    (give_up),
    .timeout_i    (timeout),
    .burst_valid_i(burst_valid),
    .burst_ready_o(burst_ready),
    .burst_addr_i (burst_addr),
    .burst_beats_i(burst_beats),
    .beat_valid_o (beat_valid),
    .beat_ready_i (beat_ready),
    .beat_data_o  (beat_data),
    .m_axi_arid, .m_axi_araddr, .m_axi_arlen, .m_axi_arsize, .m_axi_arburst, .m_axi_arlock, .m_axi_arcache,
    .m_axi_arprot, .m_axi_arqos, .m_axi_arvalid, .m_axi_arready,
    .m_axi_rid, .m_axi_rdata, .m_axi_rresp, .m_axi_rlast, .m_axi_rvalid, .m_axi_rready,
    .slverr_o     (slverr),
    .decerr_o     (decerr),
    .short_o      (r_short),
    .long_o       (r_long),
    .unowed_o     (r_unowed),
    .timeout_o    (timed_out),
    .gave_up_o    (gave_up),
    .beat_taken_o (beat_taken),
    .waiting_o    (bus_waiting),
    .idle_o       (reader_idle)
  );

  logic  work_valid, work_ready, next_closes, work_empty;
  work_t work;

  work_queue #(.Depth(2 * Outstanding)) u_work_queue (
    .clk_i, .rst_ni,
    .flush_i      (flush),
    .in_valid_i   (push_valid),
    .in_ready_o   (push_ready),
    .in_i         (push),
    .out_valid_o  (work_valid),
    .out_ready_i  (work_ready),
    .out_o        (work),
    .next_closes_o(next_closes),
    .few_o        (work_few),
    .empty_o      (work_empty)
  );

  // ---- PEs and gates ------------------------------------------------------------------------------------------------------
  logic [LayerBits-1:0]       start_layer;
  logic                       all_ready;
  logic [SizeBits-1:0]        groups_ready, gate_passed;
  logic [Banks*SizeBits-1:0]  bank_group;
  logic [Banks-1:0]           bank_re;
  logic                       bank_grant;
  logic [Banks*WordWidth-1:0] bank_rdata;
  logic                       wanting;

  pe_array #(.AxiDataWidth(AxiDataWidth), .MaxLayers(MaxLayers), .MaxUnits(MaxUnits)) u_pe_array (
    .clk_i, .rst_ni,
    .flush_i       (flush),
    .work_valid_i  (work_valid),
    .work_ready_o  (work_ready),
    .work_i        (work),
    .next_closes_i (next_closes),
    .beat_valid_i  (beat_valid),
    .beat_ready_o  (beat_ready),
    .beat_data_i   (beat_data),
    .gate_start_o  (gate_start),
    .gate_ready_i  (gate_ready),
    .gate_layer_o  (start_layer),
    .all_ready_o   (all_ready),
    .groups_ready_o(groups_ready),
    .gate_busy_i   (gate_busy),
    .gate_layer_i  (gate_layer),
    .gate_passed_i (gate_passed),
    .gate_re_i     (bank_re),
    .gate_grant_o  (bank_grant),
    .gate_group_i  (bank_group),
    .gate_rdata_o  (bank_rdata),
    .wanting_o     (wanting),
    .idle_o        (pe_idle)
  );

  logic                         gate_h_re, h_we;
  logic [VecBits-1:0]           gate_h_vec;
  logic [VecWidth-1:0]          gate_h_rdata;
  logic [QuadBits-1:0]          h_quad;
  logic [QuadLanes*ActBits-1:0] h_wdata;
  logic                         out_room, out_reserve, out_valid, out_last, out_stalled;

  gate_pipeline #(.Pes(Pes)) u_gate_pipeline (
    .clk_i, .rst_ni,
    .flush_i       (flush),
    .lut_frac_i    (lut_frac),
    .start_i       (gate_start),
    .ready_o       (gate_ready),
    .layer_i       (start_layer),
    .units_i       (hidden_size[start_layer*SizeBits +: SizeBits]),
    .to_output_i   ({1'b0, start_layer} + 1'b1 == num_layers),
    .all_ready_i   (all_ready),
    .groups_ready_i(groups_ready),
    .busy_o        (gate_busy),
    .layer_o       (gate_layer),
    .passed_o      (gate_passed),
    .vecs_o        (gate_vecs),
    .done_o        (gate_done),
    .bank_re_o     (bank_re),
    .bank_grant_i  (bank_grant),
    .bank_group_o  (bank_group),
    .bank_rdata_i  (bank_rdata),
    .h_re_o        (gate_h_re),
    .h_vec_o       (gate_h_vec),
    .h_rdata_i     (gate_h_rdata),
    .h_we_o        (h_we),
    .h_quad_o      (h_quad),
    .h_wdata_o     (h_wdata),
    .out_room_i    (out_room),
    .out_reserve_o (out_reserve),
    .out_valid_o   (out_valid),
    .out_last_o    (out_last),
    .stalled_o     (out_stalled)
  );

  hidden_memory #(.MaxLayers(MaxLayers), .MaxUnits(MaxUnits)) u_hidden_memory (
    .clk_i,
    .enc_re_i    (enc_h_re),
    .enc_layer_i (enc_h_layer),
    .enc_vec_i   (enc_h_vec),
    .enc_rdata_o (enc_h_rdata),
    .enc_clear_i (enc_h_clear),
    .gate_re_i   (gate_h_re),
    .gate_layer_i(gate_layer),
    .gate_vec_i  (gate_h_vec),
    .gate_rdata_o(gate_h_rdata),
    .we_i        (h_we),
    .quad_i      (h_quad),
    .wdata_i     (h_wdata)
  );

  logic packet_done;
  h_egress u_h_egress (
    .clk_i, .rst_ni,
    .flush_i      (flush),
    .room_o       (out_room),
    .reserve_i    (out_reserve),
    .quad_valid_i (out_valid),
    .quad_odd_i   (h_quad[0]),
    .quad_last_i  (out_last),
    .quad_data_i  (h_wdata),
    .m_axis_h_tdata, .m_axis_h_tuser, .m_axis_h_tvalid, .m_axis_h_tready, .m_axis_h_tlast,
    .packet_done_o(packet_done)
  );

  // ---- Registers and counters -----------------------------------------------------------------------------------------------
  logic [Counters-1:0]    events;
  logic [Counters*64-1:0] counts;
  wire  bias_beat = beat_valid && beat_ready && (work.op == EntryBias);

  always_comb begin
    events    = '0;
    events[EventCycles]        = (state != SeqIdle);
    events[EventSteps]         = packet_done;
    events[EventBeats]         = beat_taken;
    events[EventStallMem]      = wanting && bus_waiting;
    events[EventStallOut]      = out_stalled;
    events[EventIdle]          = (state == SeqWaitX);
    events[EventBiasBeats]     = bias_beat;
    events[EventColumnsUndone] = column && undo;
    for (int l = 0; l < MaxLayers; l++) begin
      events[GeneralCounters + LayerCounters*l + LayerEventColumnsX] =
          column && !undo && (push.kind == KindX) && (push.layer == LayerBits'(l));
      events[GeneralCounters + LayerCounters*l + LayerEventColumnsH] =
          column && !undo && (push.kind == KindH) && (push.layer == LayerBits'(l));
    end
  end

  logic [Counters-1:0] events_q;        // counters are a cycle late
  always_ff @(posedge clk_i) events_q <= rst_ni ? events : '0;

  perf_counters #(.Counters(Counters)) u_perf_counters (
    .clk_i, .rst_ni,
    .freeze_i(perf_freeze),
    .clear_i (perf_clear),
    .event_i (events_q),
    .count_o (counts)
  );

  control_registers #(
    .AxiDataWidth(AxiDataWidth), .Outstanding(Outstanding), .MaxLayers(MaxLayers), .MaxUnits(MaxUnits)
  ) u_control_registers (
    .clk_i, .rst_ni,
    .s_axil_awaddr, .s_axil_awprot, .s_axil_awvalid, .s_axil_awready,
    .s_axil_wdata, .s_axil_wstrb, .s_axil_wvalid, .s_axil_wready,
    .s_axil_bresp, .s_axil_bvalid, .s_axil_bready,
    .s_axil_araddr, .s_axil_arprot, .s_axil_arvalid, .s_axil_arready,
    .s_axil_rdata, .s_axil_rresp, .s_axil_rvalid, .s_axil_rready,
    .irq_o,
    .start_o         (start),
    .soft_reset_o    (soft_reset),
    .new_sequence_o  (new_sequence),
    .settings_o      (settings),
    .layer_settings_o(layer_settings),
    .perf_clear_o    (perf_clear),
    .state_i         (state),
    .busy_init_i     (busy_init),
    .wait_x_i        (x_open),
    .error_cause_i   (error_cause),
    .error_layer_i   (error_layer),
    .error_info_i    (error_info),
    .irq_step_i      (packet_done),
    .irq_error_i     (fault),
    .irq_ready_i     (ready),
    .irq_reset_done_i(reset_done),
    .count_i         (counts)
  );

  wire unused = ^{addr_wx, addr_wh, addr_bias, work_empty, settings.irq_enable};

  `EDGEDRNN_ASSERT(LowMeansLittleIsLeft, !work_low_q || $past(fetch_idle && work_few))
  `EDGEDRNN_STABLE(BurstStable, burst_valid, burst_ready, {burst_addr, burst_beats}, flush)
  `EDGEDRNN_STABLE(WorkStable, push_valid, push_ready, push, flush)
endmodule

`default_nettype wire
