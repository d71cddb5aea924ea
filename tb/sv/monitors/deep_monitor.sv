// SPDX-License-Identifier: Apache-2.0
// Deep trace: every value that one module of the core `u_dut` hands to the next, for finding the first wrong one.
// Only in replay builds (REPLAY defined), and only with +DEEP=file. tb/debug/divergence reads the file.
//
// A line is: cycle, time in ns (decimal), a code, fields in hex. Lines of one cycle come in pipeline order, a module's
// inputs before its outputs. A cycle is counted as trace_monitor counts it.
//
// tb/debug/divergence/events.py lists the codes: what each says, which module says it, and its fields. Digits and the
// letters a, c are stages of gate_pipeline: the values there when a quad is in that stage.
//
// A run that hangs is ended once there has been no event for QuietLimit cycles, and with +REPLAY_END_NS=N at that time.
`default_nettype none

module deep_monitor
  import edgedrnn_pkg::*;
#(
  parameter int AxiDataWidth = 64,
  parameter int MaxLayers    = 4,
  parameter int MaxUnits     = 1024
) (
  input logic clk_i,
  input logic rst_ni
);
  `include "core_taps.svh"

  localparam int WordWidth = AxiDataWidth / WeightBits * AccBits;
  localparam int QuadWidth = QuadLanes * AccBits;

  integer      file;
  reg [4095:0] path;
  initial begin
    file = 0;
    if ($value$plusargs("DEEP=%s", path)) begin
      file = $fopen(path, "w");
      if (file == 0) $fatal(1, "deep_monitor: cannot open the file of +DEEP");
      $fwrite(file, "0 0 D %h %h %h\n", AxiDataWidth, MaxLayers, MaxUnits);
    end
  end

  // Values of four lanes, the highest first.
  logic [4*16-1:0] q_r, q_z, q_nh, place_r, place_z, entry_r, entry_z, r, z, pre_n, place_n, entry_n, n;
  for (genvar i = 0; i < 4; i++) begin : gen_lane
    assign q_r    [16*i +: 16] = `tap_lane_q_r(i);
    assign q_z    [16*i +: 16] = `tap_lane_q_z(i);
    assign q_nh   [16*i +: 16] = `tap_lane_q_nh(i);
    assign place_r[16*i +: 16] = {5'd0, `tap_lane_place_r(i)};
    assign place_z[16*i +: 16] = {5'd0, `tap_lane_place_z(i)};
    assign entry_r[16*i +: 16] = {7'd0, `tap_lane_entry_r(i)};
    assign entry_z[16*i +: 16] = {7'd0, `tap_lane_entry_z(i)};
    assign r      [16*i +: 16] = {7'd0, `tap_lane_r(i)};
    assign z      [16*i +: 16] = {7'd0, `tap_lane_z(i)};
    assign pre_n  [16*i +: 16] = `tap_lane_pre_n(i);
    assign place_n[16*i +: 16] = {6'd0, `tap_lane_place_n(i)};
    assign entry_n[16*i +: 16] = {7'd0, `tap_lane_entry_n(i)};
    assign n      [16*i +: 16] = {{6{`tap_lane_n(i)[9]}}, `tap_lane_n(i)};
  end

  wire [StageWrite:1] stage = `tap_gates_valid;
  wire [QuadWidth-1:0] m_r  = `tap_gates_m[BankR *QuadWidth +: QuadWidth];
  wire [QuadWidth-1:0] m_z  = `tap_gates_m[BankZ *QuadWidth +: QuadWidth];
  wire [QuadWidth-1:0] m_nx = `tap_gates_m[BankNx*QuadWidth +: QuadWidth];
  wire [QuadWidth-1:0] m_nh = `tap_gates_m[BankNh*QuadWidth +: QuadWidth];

  localparam int QuietLimit = 10000;
  longint end_ns, quiet_since;
  initial begin
    quiet_since = 0;
    if (!$value$plusargs("REPLAY_END_NS=%d", end_ns)) end_ns = 0;
  end
  wire moves = (`tap_s_axis_x_tvalid && `tap_s_axis_x_tready) || (`tap_m_axi_rvalid && `tap_m_axi_rready)
            || (`tap_m_axis_h_tvalid && `tap_m_axis_h_tready) || (`tap_entry_valid && `tap_entry_ready)
            || `tap_start || !rst_ni;
  always @(posedge clk_i) begin
    if (moves) quiet_since <= u_trace.cycle_q;
    if (file != 0 && (u_trace.cycle_q > quiet_since + QuietLimit || (end_ns != 0 && $time > end_ns))) begin
      $display("REPLAY %m: %s", (end_ns != 0 && $time > end_ns) ? "the end of the window" : "HANG nothing moves");
      $fflush(file);
      $finish;
    end
  end

  // Who waits for whom once nothing moves. Streams from x to h, {valid, ready} each, the first highest; then what the
  // gates and x_ingress look at, then which modules say that they hold nothing. A bench with pauses toggles its
  // readys for ever: they count where something is offered.
  localparam int StillLimit = 64;
  wire [25:0] streams = {
    `tap_s_axis_x_tvalid, `tap_s_axis_x_tready, `tap_x_valid, `tap_x_ready, `tap_pass_valid, `tap_pass_ready,
    `tap_entry_valid, `tap_entry_ready, `tap_burst_valid, `tap_burst_ready, `tap_push_valid, `tap_push_ready,
    `tap_m_axi_arvalid, `tap_m_axi_arvalid && `tap_m_axi_arready, `tap_m_axi_rvalid, `tap_m_axi_rready,
    `tap_beat_valid, `tap_beat_ready,
    `tap_work_valid, `tap_work_ready, `tap_gate_start, `tap_gate_ready, `tap_bank_re[BankR], `tap_bank_grant,
    `tap_m_axis_h_tvalid, `tap_m_axis_h_tvalid && `tap_m_axis_h_tready
  };
  wire [4:0] gates = {`tap_gate_busy, `tap_gates_issuing, `tap_gates_final, `tap_out_room,
                      `tap_x_open};
  wire [3:0] quiet = {`tap_encoder_idle, `tap_fetch_idle, `tap_reader_idle, `tap_pe_idle};
  logic [34:0] handshakes_q;
  int          still;
  initial still = 0;
  always @(posedge clk_i) begin
    handshakes_q <= {streams, gates, quiet};
    still        <= (rst_ni && handshakes_q === {streams, gates, quiet}) ? still + 1 : 0;
    if (file != 0 && still == StillLimit) begin
      $fwrite(file, "%0d %0d H %b %b %b\n", u_trace.cycle_q, $time, streams, gates, quiet);
      $fflush(file);
    end
  end

  logic captured_q, flush_q, was_reset;
  logic [MaxLayers*ThetaBits-1:0] theta_x_q, theta_h_q;
  initial begin
    was_reset = 1'b1;
    flush_q   = 1'b0;
  end

  always @(posedge clk_i) begin
    was_reset  <= !rst_ni;
    flush_q    <= rst_ni && `tap_flush;
    captured_q <= rst_ni && !`tap_flush && `tap_encoder_capture;
    theta_x_q  <= `tap_theta_x;
    theta_h_q  <= `tap_theta_h;
    if (file != 0 && !rst_ni && !was_reset) begin
      $fwrite(file, "%0d %0d Z 1 %h\n", u_trace.cycle_q, $time, `tap_error_cause);
      $fflush(file);
    end
    if (file != 0 && rst_ni) begin
      if (`tap_start) begin
        $fwrite(file, "%0d %0d G %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_num_layers, `tap_lut_frac,
                `tap_input_size, `tap_hidden_size, `tap_addr_wx, `tap_addr_wh, `tap_addr_bias);
      end
      if (was_reset || `tap_theta_x !== theta_x_q || `tap_theta_h !== theta_h_q) begin
        $fwrite(file, "%0d %0d V %h %h\n", u_trace.cycle_q, $time, `tap_theta_x, `tap_theta_h);
      end
      if (`tap_s_axis_x_tvalid && `tap_s_axis_x_tready) begin
        $fwrite(file, "%0d %0d B %h %h %h %h\n", u_trace.cycle_q, $time, `tap_s_axis_x_tdata, `tap_s_axis_x_tlast,
                `tap_x_first, `tap_ingress_taken);
      end
      if (`tap_x_valid && `tap_x_ready) begin
        $fwrite(file, "%0d %0d x %h\n", u_trace.cycle_q, $time, `tap_x_data);
      end
      if (`tap_pass_valid && `tap_pass_ready) begin
        $fwrite(file, "%0d %0d P %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_pass_type, `tap_pass_layer,
                `tap_pass_last, `tap_pass_size, `tap_pass_theta);
      end
      if (`tap_enc_h_clear) begin
        $fwrite(file, "%0d %0d K %h %h\n", u_trace.cycle_q, $time, `tap_enc_h_layer, `tap_enc_h_vec);
      end
      if (captured_q) begin
        $fwrite(file, "%0d %0d S %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_encoder_type,
                `tap_encoder_layer, `tap_encoder_vec, `tap_encoder_source,
                `tap_encoder_reference);
      end
      if (`tap_entry_valid && `tap_entry_ready) begin
        $fwrite(file, "%0d %0d E %h %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_entry_type, `tap_entry_layer,
                `tap_entry_kind, `tap_entry_last, `tap_entry_index, `tap_entry_delta);
      end
      if (`tap_encoder_ref_we != '0) begin
        $fwrite(file, "%0d %0d F %h %h %h\n", u_trace.cycle_q, $time, `tap_encoder_ref_waddr,
                `tap_encoder_ref_we, `tap_encoder_ref_wdata);
      end
      if (`tap_burst_valid && `tap_burst_ready) begin
        $fwrite(file, "%0d %0d Q %h %h\n", u_trace.cycle_q, $time, `tap_burst_addr, `tap_burst_beats);
      end
      if (`tap_push_valid && `tap_push_ready) begin
        $fwrite(file, "%0d %0d W %h %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_push_type, `tap_push_layer,
                `tap_push_kind, `tap_push_last, `tap_push_delta, `tap_push_last_group);
      end
      if (`tap_m_axi_arvalid && `tap_m_axi_arready) begin
        $fwrite(file, "%0d %0d A %h %h\n", u_trace.cycle_q, $time, `tap_m_axi_araddr, `tap_m_axi_arlen);
      end
      if (`tap_m_axi_rvalid && `tap_m_axi_rready) begin
        $fwrite(file, "%0d %0d R %h %h %h\n", u_trace.cycle_q, $time, `tap_m_axi_rdata, `tap_m_axi_rresp,
                `tap_m_axi_rlast);
      end
      if (`tap_gate_start && `tap_gate_ready) begin
        $fwrite(file, "%0d %0d g %h %h\n", u_trace.cycle_q, $time, `tap_start_layer, `tap_next_closes);
      end
      if (`tap_pe_fire) begin
        $fwrite(file, "%0d %0d d %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_work_type, `tap_work_layer,
                `tap_work_kind, `tap_work_last, `tap_work_delta, `tap_work_last_group, `tap_beat_data);
      end
      if (`tap_work_valid && `tap_work_ready && `tap_work_type == EntryEnd) begin
        $fwrite(file, "%0d %0d w %h %h %h %h\n", u_trace.cycle_q, $time, `tap_work_type, `tap_work_layer,
                `tap_work_kind, `tap_work_last);
      end
      if (`tap_pe_write) begin
        $fwrite(file, "%0d %0d M %h %h %h %h\n", u_trace.cycle_q, $time, `tap_pe_write_bank,
                `tap_pe_write_addr, `tap_pe_write_lanes, `tap_pe_sum);
      end
      // Stage 0: read r. layer, quad, group asked for, how far the PEs say one may go, goes out, room for it.
      if (`tap_gates_enter) begin
        $fwrite(file, "%0d %0d 0 %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_gates_quad, `tap_bank_group[BankR*SizeBits +: SizeBits], `tap_all_ready,
                `tap_groups_ready, `tap_gates_to_output, `tap_out_room);
      end
      // Stages: layer, quad, then the values there.
      if (stage[StageReadZ]) begin
        $fwrite(file, "%0d %0d 1 %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_stage_quad(StageReadZ), `tap_bank_group[BankZ*SizeBits +: SizeBits],
                `tap_bank_rdata[BankR*WordWidth +: WordWidth]);
      end
      if (stage[StageReadN]) begin
        $fwrite(file, "%0d %0d 2 %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_stage_quad(StageReadN), `tap_bank_group[BankNx*SizeBits +: SizeBits], m_r,
                `tap_bank_rdata[BankZ*WordWidth +: WordWidth]);
      end
      if (stage[StageReadN + 1]) begin
        $fwrite(file, "%0d %0d 3 %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_stage_quad(StageReadN + 1), m_z, `tap_bank_rdata[BankNx*WordWidth +: WordWidth],
                `tap_bank_rdata[BankNh*WordWidth +: WordWidth], q_r, place_r);
      end
      if (stage[StageSums]) begin
        $fwrite(file, "%0d %0d 4 %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_stage_quad(StageSums), m_nx, m_nh, q_z, place_z, entry_r);
      end
      if (stage[StageR]) begin
        $fwrite(file, "%0d %0d 5 %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_stage_quad(StageR), q_nh, entry_z, r);
      end
      if (stage[StageTanh]) begin
        $fwrite(file, "%0d %0d 8 %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_stage_quad(StageTanh), z, pre_n, place_n);
      end
      if (stage[StageHidden]) begin
        $fwrite(file, "%0d %0d 9 %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_stage_quad(StageHidden), entry_n, `tap_gate_h_rdata);
      end
      if (stage[StageBlend]) begin
        $fwrite(file, "%0d %0d a %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer,
                `tap_stage_quad(StageBlend), n, `tap_gates_h_prev);
      end
      if (`tap_h_we) begin
        $fwrite(file, "%0d %0d c %h %h %h %h %h\n", u_trace.cycle_q, $time, `tap_gate_layer, `tap_h_quad,
                `tap_h_wdata, `tap_out_valid, `tap_out_last);
      end
      if (`tap_m_axis_h_tvalid && `tap_m_axis_h_tready) begin
        $fwrite(file, "%0d %0d h %h %h %h\n", u_trace.cycle_q, $time, `tap_m_axis_h_tdata, `tap_m_axis_h_tlast,
                `tap_m_axis_h_tuser);
        $fflush(file);
      end
      if (`tap_flush && !flush_q) begin
        $fwrite(file, "%0d %0d Z 0 %h\n", u_trace.cycle_q, $time, `tap_error_cause);
        $fflush(file);
      end
    end
  end
endmodule

`default_nettype wire
