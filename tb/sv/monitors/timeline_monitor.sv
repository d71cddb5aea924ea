// SPDX-License-Identifier: Apache-2.0
// Timeline monitor: says of every clock cycle what the weight port of the core `u_dut` beside it does, and when it
// rests, why; into the file named by +TIMELINE=. Without that argument it does nothing. tb/debug/timeline reads the file;
// docs/timeline.md has the causes in words.
//
// It works from handshakes between the boxes of the core and on its buses, and shares no condition with the
// performance counters: that its sums equal them (tb/tests/system/test_run_timeline.py) is a statement about both.
//
//   T 1 pes                               version of the format, bytes of a beat
//   P cycle phase cause layer held pass   the port, from this cycle on until the next P line
//   C cycle layer kind undo               a column is asked for
//   E cycle layer kind undo               all columns of this pass are asked for; passes count from 0
//   D cycle type layer                    the encoder takes a pass (pass_e), `-` from when on it has none
//   G cycle layer                         the gates of a layer start, `-` when their last h is written
//   X cycle step                          first cycle in which the first beat of x is offered
//   A cycle step                          that beat is taken
//   O cycle state                         h stream from here on: `-` no beat, t a beat is taken, h it is held
//   Y cycle step                          the last beat of h is taken
//   F cycle value                         PERF_CTRL.FREEZE is this from now on
//   K cycle                               the counters are cleared, or reset
//   Z cycle                               a fault or a soft reset voids what is under way
//
//   phase  n no sequence, i initialising, w waiting for x, s stepping, f stopped by a fault or a reset
//   cause  of beats:  b biases, x and h columns of these kinds, u columns that undo, d beats dropped after a fault
//          of rest:   m memory: reads under way, none came, the PEs wait       l the same, the PEs do not wait
//                     g gates, o output, e encoder, w x, i initialisation, f stopped, n no sequence
//   held   1: the gates are held up by the h stream, whatever the port does
//
// Cycles count from the first release of the reset, as in the trace, and never start again. All numbers are decimal.
`default_nettype none

module timeline_monitor
  import edgedrnn_pkg::*;
#(
  parameter int AxiDataWidth = 64
) (
  input logic clk_i,
  input logic rst_ni
);
  `include "core_taps.svh"

  localparam int QuadsPerGroup = AxiDataWidth / WeightBits / QuadLanes;
  localparam int HQueue = 32;          // beats that the output queue holds
  localparam int Items  = 256;         // work items that can be under way: more than any build has

  integer      file;
  reg [4095:0] path;
  initial begin
    file = 0;
    if ($value$plusargs("TIMELINE=%s", path)) begin
      file = $fopen(path, "w");
      if (file == 0) $fatal(1, "timeline_monitor: cannot open the file of +TIMELINE");
      $fwrite(file, "T 1 %0d\n", AxiDataWidth / WeightBits);
    end
  end

  longint cycle;
  logic   was_reset;
  initial begin
    cycle     = 0;
    was_reset = 1'b1;
  end

  // What the monitor itself knows, as of the last edge. All of it is set in one process, in order.
  logic [7:0]  phase;
  logic        draining, pending, mid_packet;
  logic [3:0]  layers_done;
  int          owed;                              // bursts whose last beat has not come
  logic [7:0]  item_cause [Items];                // work items in the order of their beats
  logic [2:0]  item_layer [Items];
  int          item_beats [Items], item_pass [Items];
  logic [7:0]  item_in, item_out;
  int          beats_left, passes;
  logic        gates_on, gates_issue, gates_last; // the gates run, still issue quads, are those of the last layer
  logic [2:0]  gates_layer;
  int          quads, quads_left, reserved;       // beats of h that have a place in the queue
  logic        half, h_was_valid, h_was_taken;
  logic        encoder_on, offered, was_frozen, flushed;
  logic [1:0]  encoder_type;
  logic [2:0]  encoder_layer;
  longint      steps_offered, steps_taken, steps_out;

  logic [7:0]  cause, last_phase, last_cause, h_state, last_h_state;
  logic [2:0]  layer, last_layer;
  logic        held, last_held, beat, owes, gates_of_source;
  int          pass, last_pass;

  // verilator lint_off BLKSEQ
  task automatic forget_work();
    item_in     = 0;
    item_out    = 0;
    beats_left  = 0;
    gates_issue = 1'b0;
    reserved    = 0;
    half        = 1'b0;
    if (gates_on) $fwrite(file, "G %0d -\n", cycle);
    gates_on    = 1'b0;
  endtask

  task automatic start_over();
    phase        = "n";
    draining     = 1'b0;
    pending      = 1'b0;
    mid_packet   = 1'b0;
    layers_done  = 0;
    owed         = 0;
    h_was_valid  = 1'b0;
    h_was_taken  = 1'b0;
    offered      = 1'b0;
    was_frozen   = 1'b0;
    flushed      = 1'b0;
    last_phase   = 0;             // so that a P line follows
    last_h_state = "-";
    if (encoder_on) $fwrite(file, "D %0d - -\n", cycle);
    encoder_on   = 1'b0;
    forget_work();
  endtask

  initial begin
    gates_on      = 1'b0;
    encoder_on    = 1'b0;
    passes        = 0;
    steps_offered = 0;
    steps_taken   = 0;
    steps_out     = 0;
  end

  // ---- What this cycle is, from what was known before it ------------------------------------------------------------
  task automatic classify();
    beat = `tap_m_axi_rvalid && `tap_m_axi_rready;
    owes = `tap_m_axi_arvalid || owed != 0;
    // The queue of h gives up a place in the cycle before a beat comes to its output; a beat with tuser had none.
    if (`tap_m_axis_h_tvalid && !`tap_m_axis_h_tuser && (!h_was_valid || h_was_taken)) reserved = reserved - 1;
    held = gates_issue && gates_last && !half && reserved == HQueue
        && (`tap_all_ready || (quads - quads_left) / QuadsPerGroup < int'(`tap_groups_ready));
    gates_of_source = gates_on && gates_layer == (encoder_type == PassX ? encoder_layer - 3'd1 : encoder_layer);

    layer = 0;
    pass  = 0;
    if (beat && phase != "f") begin
      cause = item_cause[item_out];
      layer = item_layer[item_out];
      pass  = item_pass[item_out];
    end else if (beat) begin
      cause = "d";
    end else if (owes && !`tap_m_axi_rvalid && `tap_beat_ready && !`tap_beat_valid) begin
      cause = "m";
    end else if (phase == "n" || phase == "f") begin
      cause = phase;
    end else if (`tap_m_axi_rvalid) begin                  // the PEs do not take it
      cause = held ? "o" : "g";
    end else if (owes) begin
      cause = "l";
    end else if (phase == "i") begin
      cause = "i";
    end else if (phase == "w") begin
      cause = (!`tap_fetch_idle || !`tap_encoder_idle || `tap_s_axis_x_tvalid) ? "e"
            : `tap_m_axis_h_tvalid ? "o" : "w";
    end else if (held) begin
      cause = "o";
    end else if (`tap_x_ready && !`tap_x_valid && !`tap_s_axis_x_tvalid) begin
      cause = "w";
    end else if (!`tap_fetch_idle || `tap_entry_valid) begin
      cause = "e";
    end else if (!`tap_encoder_idle) begin
      cause = gates_of_source ? "g" : "e";
    end else begin
      cause = (gates_on || `tap_beat_valid || `tap_work_valid) ? "g" : "e";
    end
  endtask

  task automatic write_lines();
    if (phase != last_phase || cause != last_cause || layer != last_layer || held != last_held || pass != last_pass)
      $fwrite(file, "P %0d %c %c %0d %0d %0d\n", cycle, phase, cause, layer, held, pass);
    last_phase = phase;
    last_cause = cause;
    last_layer = layer;
    last_held  = held;
    last_pass  = pass;

    h_state = !`tap_m_axis_h_tvalid ? "-" : `tap_m_axis_h_tready ? "t" : "h";
    if (h_state != last_h_state) $fwrite(file, "O %0d %c\n", cycle, h_state);
    last_h_state = h_state;

    if (`tap_perf_freeze != was_frozen) begin
      $fwrite(file, "F %0d %0d\n", cycle, `tap_perf_freeze);
      $fflush(file);             // who reads the counters may read this too
    end
    was_frozen = `tap_perf_freeze;
    if (`tap_perf_clear) $fwrite(file, "K %0d\n", cycle);
  endtask

  // ---- What is known after it ------------------------------------------------------------------------------------------
  task automatic follow_port();
    if (beat && `tap_m_axi_rlast && owed > 0) owed = owed - 1;
    if (`tap_reader_under_way == '0) owed = 0;       // after bursts without an end
    if (`tap_m_axi_arvalid && `tap_m_axi_arready) owed = owed + 1;
    if (beat && phase != "f") begin
      if (beats_left == 0) beats_left = item_beats[item_out];
      beats_left = beats_left - 1;
      if (beats_left == 0) item_out = item_out + 1'b1;
    end
    if (`tap_push_valid && `tap_push_ready) begin
      if (`tap_push_type == EntryEnd) begin
        $fwrite(file, "E %0d %0d %0d %0d\n", cycle, `tap_push_layer, `tap_push_kind, `tap_undo);
        passes = passes + 1;
      end else begin
        item_cause[item_in] = `tap_push_type == EntryBias ? "b" : `tap_undo ? "u" : `tap_push_kind == KindH ? "h" : "x";
        item_layer[item_in] = `tap_push_layer;
        item_beats[item_in] = int'(`tap_burst_beats);
        item_pass [item_in] = passes;
        item_in = item_in + 1'b1;
        if (`tap_push_type == EntryColumn)
          $fwrite(file, "C %0d %0d %0d %0d\n", cycle, `tap_push_layer, `tap_push_kind, `tap_undo);
      end
    end
  endtask

  task automatic follow_gates();
    if (`tap_gate_start && `tap_gate_ready) begin
      gates_on    = 1'b1;
      gates_issue = 1'b1;
      gates_layer = `tap_start_layer;
      gates_last  = {1'b0, `tap_start_layer} + 4'd1 == `tap_num_layers;
      quads       = int'(`tap_hidden_size[`tap_start_layer*SizeBits +: SizeBits]) / QuadLanes;
      quads_left  = quads;
      $fwrite(file, "G %0d %0d\n", cycle, gates_layer);
    end else if (`tap_bank_re[BankR] && `tap_bank_grant) begin
      quads_left  = quads_left - 1;
      gates_issue = quads_left != 0;
      if (gates_last) begin
        if (!half) reserved = reserved + 1;
        half = !half;
      end
    end
    if (`tap_gate_done) begin
      gates_on = 1'b0;
      $fwrite(file, "G %0d -\n", cycle);
    end
  endtask

  task automatic follow_encoder();
    if (encoder_on && `tap_encoder_idle) begin
      encoder_on = 1'b0;
      $fwrite(file, "D %0d - -\n", cycle);
    end
    if (`tap_pass_valid && `tap_pass_ready) begin
      encoder_on    = 1'b1;
      encoder_type  = `tap_pass_type;
      encoder_layer = `tap_pass_layer;
      $fwrite(file, "D %0d %0d %0d\n", cycle, encoder_type, encoder_layer);
    end
  endtask

  // The life of a sequence, from commands, streams and interrupts.
  logic first_beat, x_beat;
  task automatic follow_sequence();
    x_beat     = `tap_s_axis_x_tvalid && `tap_s_axis_x_tready;
    first_beat = x_beat && !mid_packet && phase == "w";
    if (`tap_s_axis_x_tvalid && !mid_packet && !offered && phase != "f") begin
      $fwrite(file, "X %0d %0d\n", cycle, steps_offered);
      steps_offered = steps_offered + 1;
      offered = 1'b1;
    end
    if (first_beat) begin
      $fwrite(file, "A %0d %0d\n", cycle, steps_taken);
      steps_taken = steps_taken + 1;
    end
    if (x_beat) begin
      mid_packet = !`tap_s_axis_x_tlast;
      offered    = mid_packet;
    end
    if (`tap_m_axis_h_tvalid && `tap_m_axis_h_tready && `tap_m_axis_h_tlast && !`tap_m_axis_h_tuser) begin
      $fwrite(file, "Y %0d %0d\n", cycle, steps_out);
      $fflush(file);
      steps_out = steps_out + 1;
    end

    if (`tap_soft_reset || `tap_fault) begin
      phase    = "f";
      draining = `tap_soft_reset;
      pending  = 1'b0;
    end else begin
      case (phase)
        "n": if (`tap_start) phase = "i";
        "i": begin
          layers_done = 0;
          if (`tap_ready) phase = "w";
        end
        "w": if (first_beat) begin
          phase = "s";
        end else if (pending) begin
          phase   = "i";
          pending = 1'b0;
        end
        "s": if (layers_done == `tap_num_layers) begin
          phase       = "w";
          layers_done = 0;
        end
        default: if (draining && !owes && !`tap_beat_valid) phase = "n";
      endcase
      if (`tap_gate_done) layers_done = layers_done + 1'b1;
      if (`tap_new_sequence && phase != "f") pending = 1'b1;
    end
  endtask

  logic stopped;
  always @(posedge clk_i) begin
    if (file != 0) begin
      if (!rst_ni) begin
        if (!was_reset) $fwrite(file, "Z %0d\n", cycle);
        if (!was_reset || cycle == 0) $fwrite(file, "K %0d\n", cycle);
        start_over();
      end else begin
        stopped = phase == "f";
        classify();
        write_lines();
        follow_port();
        follow_gates();
        follow_encoder();
        follow_sequence();
        h_was_valid = `tap_m_axis_h_tvalid;
        h_was_taken = h_was_valid && `tap_m_axis_h_tready;
        if (stopped) begin
          if (!flushed) begin
            $fwrite(file, "Z %0d\n", cycle);
            $fflush(file);
            steps_offered = steps_out;
            steps_taken   = steps_out;
          end
          forget_work();
          offered = 1'b0;
        end
        flushed = stopped;
      end
    end
    was_reset = !rst_ni;
    if (rst_ni) cycle = cycle + 1;
  end
  // verilator lint_on BLKSEQ
endmodule

`default_nettype wire
