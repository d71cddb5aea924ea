// Deep trace: every value that one module of the core `u_dut` hands to the next, for finding the first wrong one.
// Only in replay builds (REPLAY defined), and only with +DEEP=file. tb/debug/divergence reads the file.
//
// A line is: cycle, time in ns (decimal), a code, fields in hex. Lines of one cycle come in pipeline order, a module's
// inputs before its outputs. A cycle is counted as trace_monitor counts it.
//
//   D width layers units                   parameters of the build, once
//   G layers lut input hidden wx wh bias   control_registers: configuration at a START
//   V theta_x theta_h                      control_registers: thresholds, when they change
//   B data last first taken                beat on the x bus
//   x data                                 x_ingress -> delta_encoder
//   P type layer last size theta           sequencer -> delta_encoder: a pass
//   K layer vec                            delta_encoder -> hidden_memory: clear
//   S type layer vec source reference      inside delta_encoder: what is compared
//   E type layer kind last index delta     delta_encoder -> column_fetch: an entry
//   F addr lanes data                      delta_encoder writes references
//   Q addr beats                           column_fetch -> burst_reader
//   W type layer kind last delta groups    column_fetch -> work_queue
//   A addr len                             burst_reader -> bus
//   R data resp last                       bus -> burst_reader
//   g layer                                pe_array -> gate_pipeline: start
//   d type layer kind last delta groups data   work_queue and burst_reader -> pe_array: a beat is taken
//   w type layer kind last                 work_queue -> pe_array: an end is taken
//   M banks addr lanes data                pe_array writes delta memories
//   0 ... c                                gate_pipeline and its lanes, by stage; see below
//   h data last user                       h_egress -> bus
//   Z hard                                 a fault, a soft reset or (1) a hard one
//   H streams gates quiet                  handshakes that have not changed for StillLimit cycles; see below
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
  logic [4*16-1:0] q3_r, q4_z, q5_nh, addr3_r, addr4_z, data4_r, data5_z, r5, z8, pre8, tanh_addr, tanh_data, n10;
  for (genvar i = 0; i < 4; i++) begin : gen_lane
    assign q3_r     [16*i +: 16] = u_dut.u_gate_pipeline.gen_lane[i].u_lane.q3_r;
    assign q4_z     [16*i +: 16] = u_dut.u_gate_pipeline.gen_lane[i].u_lane.q4_z;
    assign q5_nh    [16*i +: 16] = u_dut.u_gate_pipeline.gen_lane[i].u_lane.q5_nh;
    assign addr3_r  [16*i +: 16] = {5'd0, u_dut.u_gate_pipeline.gen_lane[i].u_lane.addr3_r};
    assign addr4_z  [16*i +: 16] = {5'd0, u_dut.u_gate_pipeline.gen_lane[i].u_lane.addr4_z};
    assign data4_r  [16*i +: 16] = {7'd0, u_dut.u_gate_pipeline.gen_lane[i].u_lane.data4_r};
    assign data5_z  [16*i +: 16] = {7'd0, u_dut.u_gate_pipeline.gen_lane[i].u_lane.data5_z};
    assign r5       [16*i +: 16] = {7'd0, u_dut.u_gate_pipeline.gen_lane[i].u_lane.r5};
    assign z8       [16*i +: 16] = {7'd0, u_dut.u_gate_pipeline.gen_lane[i].u_lane.z8};
    assign pre8     [16*i +: 16] = u_dut.u_gate_pipeline.gen_lane[i].u_lane.pre8;
    assign tanh_addr[16*i +: 16] = {6'd0, u_dut.u_gate_pipeline.gen_lane[i].u_lane.tanh_addr_o};
    assign tanh_data[16*i +: 16] = {7'd0, u_dut.u_gate_pipeline.gen_lane[i].u_lane.tanh_data_i};
    assign n10      [16*i +: 16] = {{6{u_dut.u_gate_pipeline.gen_lane[i].u_lane.n10[9]}},
                                    u_dut.u_gate_pipeline.gen_lane[i].u_lane.n10};
  end

  wire [12:1] stage = u_dut.u_gate_pipeline.valid_q;
  wire [QuadWidth-1:0] m_r  = u_dut.u_gate_pipeline.m_q[BankR *QuadWidth +: QuadWidth];
  wire [QuadWidth-1:0] m_z  = u_dut.u_gate_pipeline.m_q[BankZ *QuadWidth +: QuadWidth];
  wire [QuadWidth-1:0] m_nx = u_dut.u_gate_pipeline.m_q[BankNx*QuadWidth +: QuadWidth];
  wire [QuadWidth-1:0] m_nh = u_dut.u_gate_pipeline.m_q[BankNh*QuadWidth +: QuadWidth];

  localparam int QuietLimit = 10000;
  longint end_ns, quiet_since;
  initial begin
    quiet_since = 0;
    if (!$value$plusargs("REPLAY_END_NS=%d", end_ns)) end_ns = 0;
  end
  wire moves = (u_dut.s_axis_x_tvalid && u_dut.s_axis_x_tready) || (u_dut.m_axi_rvalid && u_dut.m_axi_rready)
            || (u_dut.m_axis_h_tvalid && u_dut.m_axis_h_tready) || (u_dut.entry_valid && u_dut.entry_ready)
            || u_dut.start || !rst_ni;
  always @(posedge clk_i) begin
    if (moves) quiet_since <= u_trace.cycle_q;
    if (file != 0 && (u_trace.cycle_q > quiet_since + QuietLimit || (end_ns != 0 && $time > end_ns))) begin
      $display("REPLAY %m: %s", (end_ns != 0 && $time > end_ns) ? "the end of the window" : "HANG nothing moves");
      $fflush(file);
      $finish;
    end
  end

  // Who waits for whom once nothing moves. Streams from x to h, {valid, ready} each, the first highest; then what the
  // gates and the input's door look at, then which modules say that they hold nothing. A bench with pauses toggles its
  // readys for ever: they count where something is offered.
  localparam int StillLimit = 64;
  wire [25:0] streams = {
    u_dut.s_axis_x_tvalid, u_dut.s_axis_x_tready, u_dut.x_valid, u_dut.x_ready, u_dut.pass_valid, u_dut.pass_ready,
    u_dut.entry_valid, u_dut.entry_ready, u_dut.burst_valid, u_dut.burst_ready, u_dut.push_valid, u_dut.push_ready,
    u_dut.m_axi_arvalid, u_dut.m_axi_arvalid && u_dut.m_axi_arready, u_dut.m_axi_rvalid, u_dut.m_axi_rready,
    u_dut.beat_valid, u_dut.beat_ready,
    u_dut.work_valid, u_dut.work_ready, u_dut.gate_start, u_dut.gate_ready, u_dut.bank_re[BankR], u_dut.bank_grant,
    u_dut.m_axis_h_tvalid, u_dut.m_axis_h_tvalid && u_dut.m_axis_h_tready
  };
  wire [4:0] gates = {u_dut.gate_busy, u_dut.u_gate_pipeline.issuing_q, u_dut.u_gate_pipeline.final_units, u_dut.out_room,
                      u_dut.u_x_ingress.open_i};
  wire [3:0] quiet = {u_dut.encoder_idle, u_dut.fetch_idle, u_dut.reader_idle, u_dut.pe_idle};
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
    flush_q    <= rst_ni && u_dut.flush;
    captured_q <= rst_ni && !u_dut.flush && u_dut.u_delta_encoder.b_move;
    theta_x_q  <= u_dut.theta_x;
    theta_h_q  <= u_dut.theta_h;
    if (file != 0 && !rst_ni && !was_reset) begin
      $fwrite(file, "%0d %0d Z 1\n", u_trace.cycle_q, $time);
      $fflush(file);
    end
    if (file != 0 && rst_ni) begin
      if (u_dut.start) begin
        $fwrite(file, "%0d %0d G %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.num_layers, u_dut.lut_frac,
                u_dut.input_size, u_dut.hidden_size, u_dut.addr_wx, u_dut.addr_wh, u_dut.addr_bias);
      end
      if (was_reset || u_dut.theta_x !== theta_x_q || u_dut.theta_h !== theta_h_q) begin
        $fwrite(file, "%0d %0d V %h %h\n", u_trace.cycle_q, $time, u_dut.theta_x, u_dut.theta_h);
      end
      if (u_dut.s_axis_x_tvalid && u_dut.s_axis_x_tready) begin
        $fwrite(file, "%0d %0d B %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.s_axis_x_tdata, u_dut.s_axis_x_tlast,
                u_dut.x_first, u_dut.u_x_ingress.taken);
      end
      if (u_dut.x_valid && u_dut.x_ready) begin
        $fwrite(file, "%0d %0d x %h\n", u_trace.cycle_q, $time, u_dut.x_data);
      end
      if (u_dut.pass_valid && u_dut.pass_ready) begin
        $fwrite(file, "%0d %0d P %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.pass_type, u_dut.pass_layer,
                u_dut.pass_last, u_dut.pass_size, u_dut.pass_theta);
      end
      if (u_dut.enc_h_clear) begin
        $fwrite(file, "%0d %0d K %h %h\n", u_trace.cycle_q, $time, u_dut.enc_h_layer, u_dut.enc_h_vec);
      end
      if (captured_q) begin
        $fwrite(file, "%0d %0d S %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.u_delta_encoder.type_q,
                u_dut.u_delta_encoder.layer_q, u_dut.u_delta_encoder.c_vec_q, u_dut.u_delta_encoder.c_src_q,
                u_dut.u_delta_encoder.c_ref_q);
      end
      if (u_dut.entry_valid && u_dut.entry_ready) begin
        $fwrite(file, "%0d %0d E %h %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.entry_type, u_dut.entry_layer,
                u_dut.entry_kind, u_dut.entry_last, u_dut.entry_index, u_dut.entry_delta);
      end
      if (u_dut.u_delta_encoder.ref_we_q != '0) begin
        $fwrite(file, "%0d %0d F %h %h %h\n", u_trace.cycle_q, $time, u_dut.u_delta_encoder.ref_waddr_q,
                u_dut.u_delta_encoder.ref_we_q, u_dut.u_delta_encoder.ref_wdata_q);
      end
      if (u_dut.burst_valid && u_dut.burst_ready) begin
        $fwrite(file, "%0d %0d Q %h %h\n", u_trace.cycle_q, $time, u_dut.burst_addr, u_dut.burst_beats);
      end
      if (u_dut.push_valid && u_dut.push_ready) begin
        $fwrite(file, "%0d %0d W %h %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.push_type, u_dut.push_layer,
                u_dut.push_kind, u_dut.push_last, u_dut.push_delta, u_dut.push_last_group);
      end
      if (u_dut.m_axi_arvalid && u_dut.m_axi_arready) begin
        $fwrite(file, "%0d %0d A %h %h\n", u_trace.cycle_q, $time, u_dut.m_axi_araddr, u_dut.m_axi_arlen);
      end
      if (u_dut.m_axi_rvalid && u_dut.m_axi_rready) begin
        $fwrite(file, "%0d %0d R %h %h %h\n", u_trace.cycle_q, $time, u_dut.m_axi_rdata, u_dut.m_axi_rresp,
                u_dut.m_axi_rlast);
      end
      if (u_dut.gate_start && u_dut.gate_ready) begin
        $fwrite(file, "%0d %0d g %h %h\n", u_trace.cycle_q, $time, u_dut.start_layer, u_dut.next_closes);
      end
      if (u_dut.u_pe_array.fire) begin
        $fwrite(file, "%0d %0d d %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.work_type, u_dut.work_layer,
                u_dut.work_kind, u_dut.work_last, u_dut.work_delta, u_dut.work_last_group, u_dut.beat_data);
      end
      if (u_dut.work_valid && u_dut.work_ready && u_dut.work_type == EntryEnd) begin
        $fwrite(file, "%0d %0d w %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.work_type, u_dut.work_layer,
                u_dut.work_kind, u_dut.work_last);
      end
      if (u_dut.u_pe_array.s3_valid_q) begin
        $fwrite(file, "%0d %0d M %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.u_pe_array.s3_bank_q,
                u_dut.u_pe_array.s3_addr_q, u_dut.u_pe_array.s3_lanes_q, u_dut.u_pe_array.s3_sum);
      end
      // Stage 0: read r. layer, quad, group asked for, how far the PEs say one may go, goes out, room for it.
      if (u_dut.u_gate_pipeline.complete) begin
        $fwrite(file, "%0d %0d 0 %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.quad_q, u_dut.bank_group[BankR*SizeBits +: SizeBits], u_dut.all_ready,
                u_dut.groups_ready, u_dut.u_gate_pipeline.to_output_q, u_dut.out_room);
      end
      // Stages: layer, quad, then what stands there.
      if (stage[1]) begin
        $fwrite(file, "%0d %0d 1 %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.tag_q[1], u_dut.bank_group[BankZ*SizeBits +: SizeBits],
                u_dut.bank_rdata[BankR*WordWidth +: WordWidth]);
      end
      if (stage[2]) begin
        $fwrite(file, "%0d %0d 2 %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.tag_q[2], u_dut.bank_group[BankNx*SizeBits +: SizeBits], m_r,
                u_dut.bank_rdata[BankZ*WordWidth +: WordWidth]);
      end
      if (stage[3]) begin
        $fwrite(file, "%0d %0d 3 %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.tag_q[3], m_z, u_dut.bank_rdata[BankNx*WordWidth +: WordWidth],
                u_dut.bank_rdata[BankNh*WordWidth +: WordWidth], q3_r, addr3_r);
      end
      if (stage[4]) begin
        $fwrite(file, "%0d %0d 4 %h %h %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.tag_q[4], m_nx, m_nh, q4_z, addr4_z, data4_r);
      end
      if (stage[5]) begin
        $fwrite(file, "%0d %0d 5 %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.tag_q[5], q5_nh, data5_z, r5);
      end
      if (stage[8]) begin
        $fwrite(file, "%0d %0d 8 %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.tag_q[8], z8, pre8, tanh_addr);
      end
      if (stage[9]) begin
        $fwrite(file, "%0d %0d 9 %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.tag_q[9], tanh_data, u_dut.gate_h_rdata);
      end
      if (stage[10]) begin
        $fwrite(file, "%0d %0d a %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer,
                u_dut.u_gate_pipeline.tag_q[10], n10, u_dut.u_gate_pipeline.h_prev10_q);
      end
      if (u_dut.h_we) begin
        $fwrite(file, "%0d %0d c %h %h %h %h %h\n", u_trace.cycle_q, $time, u_dut.gate_layer, u_dut.h_quad,
                u_dut.h_wdata, u_dut.out_valid, u_dut.out_last);
      end
      if (u_dut.m_axis_h_tvalid && u_dut.m_axis_h_tready) begin
        $fwrite(file, "%0d %0d h %h %h %h\n", u_trace.cycle_q, $time, u_dut.m_axis_h_tdata, u_dut.m_axis_h_tlast,
                u_dut.m_axis_h_tuser);
        $fflush(file);
      end
      if (u_dut.flush && !flush_q) begin
        $fwrite(file, "%0d %0d Z 0\n", u_trace.cycle_q, $time);
        $fflush(file);
      end
    end
  end
endmodule

`default_nettype wire
