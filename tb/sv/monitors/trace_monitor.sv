// SPDX-License-Identifier: Apache-2.0
// Trace monitor: writes what the core `u_dut` beside it did, one line an event, into the file named by +TRACE=.
// Nothing is written without that argument. tb/checks/trace.py reads the file.
//
//   I layer                         a layer is initialised: references, h and delta memories start anew
//   Z cycle                         a fault or a reset: what is under way is void
//   X step cycle                    first cycle in which the first beat of x is offered
//   B data                          a beat of x is taken
//   C layer kind index delta beats  a weight column is asked for (kind 0: x, 1: h)
//   E layer kind                    all columns of this kind are asked for
//   U layer                         these columns took back those of kind 1 before them: theta had changed
//   M layer quad r z nx nh          delta memories of 4 units as the gates read them
//   R layer quad r z                gates of 4 units
//   N layer quad n
//   H layer quad h                  hidden states of 4 units
//   Y step cycle                    the last beat of h is taken
//
// All but cycles and steps in hex; of 4 units the highest comes first.
`default_nettype none

module trace_monitor
  import edgedrnn_pkg::*;
(
  input logic clk_i,
  input logic rst_ni
);
  `include "core_taps.svh"

  integer    file;
  reg [4095:0] path;          // a packed string: both simulators take it
  longint    cycle_q, step_q, offered_step_q;
  logic      offered_q;       // the packet now offered has been noted
  logic      flush_q;

  initial begin
    file = 0;
    if ($value$plusargs("TRACE=%s", path)) begin
      file = $fopen(path, "w");
      if (file == 0) $fatal(1, "trace_monitor: cannot open the file of +TRACE");
    end
  end

  wire flush = `tap_flush;
  wire drop  = `tap_ingress_drop;   // x beats now come to nothing

  wire [4*SigBits-1:0]  r = {`tap_lane_r(3), `tap_lane_r(2), `tap_lane_r(1), `tap_lane_r(0)};
  wire [4*SigBits-1:0]  z = {`tap_lane_z(3), `tap_lane_z(2), `tap_lane_z(1), `tap_lane_z(0)};
  wire [4*TanhBits-1:0] n = {`tap_lane_n(3), `tap_lane_n(2), `tap_lane_n(1), `tap_lane_n(0)};

  // What belongs to one quad, brought to one cycle: r is ahead of z, and z of n.
  localparam int QuadWidth = 4 * AccBits;
  logic [QuadWidth-1:0] m3_r, m4_r, m4_z;
  logic [4*SigBits-1:0] r6, r7, r8;
  always @(posedge clk_i) begin
    m3_r <= `tap_gates_m[BankR*QuadWidth +: QuadWidth];
    m4_r <= m3_r;
    m4_z <= `tap_gates_m[BankZ*QuadWidth +: QuadWidth];
    r6   <= r;
    r7   <= r6;
    r8   <= r7;
  end

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      cycle_q        <= 0;
      step_q         <= 0;
      offered_step_q <= 0;
      offered_q      <= 1'b0;
      flush_q        <= 1'b0;
    end else begin
      cycle_q <= cycle_q + 1;
      flush_q <= flush;
      if (`tap_s_axis_x_tvalid && !offered_q) begin
        offered_q      <= 1'b1;
        offered_step_q <= offered_step_q + 1;
      end
      if (`tap_s_axis_x_tvalid && `tap_s_axis_x_tready && `tap_s_axis_x_tlast) offered_q <= 1'b0;
      if (`tap_packet_done) step_q <= step_q + 1;
      if (drop) begin
        offered_q      <= 1'b0;
        offered_step_q <= step_q;
      end
    end
  end

  logic was_reset;
  initial was_reset = 1'b1;
  always @(posedge clk_i) begin
    was_reset <= !rst_ni;
    if (file != 0 && !rst_ni && !was_reset) $fwrite(file, "Z %0d\n", cycle_q);
    if (file != 0 && rst_ni) begin
      if (`tap_s_axis_x_tvalid && !offered_q && !drop) $fwrite(file, "X %0d %0d\n", offered_step_q, cycle_q);
      if (`tap_ingress_taken) $fwrite(file, "B %h\n", `tap_s_axis_x_tdata);
      if (`tap_push_valid && `tap_push_ready) begin
        case (`tap_push_type)
          EntryBias:   $fwrite(file, "I %h\n", `tap_push_layer);
          EntryColumn: $fwrite(file, "C %h %h %h %h %h\n", `tap_push_layer, `tap_push_kind,
                               `tap_fetch_index, `tap_push_delta, `tap_burst_beats);
          EntryEnd:    if (`tap_undo) $fwrite(file, "U %h\n", `tap_push_layer);
                       else            $fwrite(file, "E %h %h\n", `tap_push_layer, `tap_push_kind);
          default: ;
        endcase
      end
      if (`tap_gates_valid[StageSums]) begin
        $fwrite(file, "M %h %h %h %h %h %h\n", `tap_gate_layer, `tap_stage_quad(StageSums), m4_r, m4_z,
                `tap_gates_m[BankNx*QuadWidth +: QuadWidth],
                `tap_gates_m[BankNh*QuadWidth +: QuadWidth]);
      end
      if (`tap_gates_valid[StageTanh]) begin
        $fwrite(file, "R %h %h %h %h\n", `tap_gate_layer, `tap_stage_quad(StageTanh), r8, z);
      end
      if (`tap_gates_valid[StageBlend]) begin
        $fwrite(file, "N %h %h %h\n", `tap_gate_layer, `tap_stage_quad(StageBlend), n);
      end
      if (`tap_h_we) $fwrite(file, "H %h %h %h\n", `tap_gate_layer, `tap_h_quad, `tap_h_wdata);
      if (`tap_packet_done) begin
        $fwrite(file, "Y %0d %0d\n", step_q, cycle_q);
        $fflush(file);
      end
      // Last: what happens in the first cycle of a flush still belongs to what it voids.
      // Flushed to disk as well: who reads on after a reset must not find older lines behind it.
      if (flush && !flush_q) begin
        $fwrite(file, "Z %0d\n", cycle_q);
        $fflush(file);
      end
    end
  end
endmodule

`default_nettype wire
