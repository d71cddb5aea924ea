// Trace monitor: writes what the core `u_dut` beside it did, one line an event, into the file named by +TRACE=.
// Nothing is written without that argument. tb/checks/trace.py reads the file; docs/verification.md has the format.
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

  wire flush = u_dut.flush;
  wire drop  = u_dut.u_x_ingress.drop;   // x beats now come to nothing

  wire [4*SigBits-1:0]  r = {u_dut.u_gate_pipeline.gen_lane[3].u_lane.r5, u_dut.u_gate_pipeline.gen_lane[2].u_lane.r5,
                             u_dut.u_gate_pipeline.gen_lane[1].u_lane.r5, u_dut.u_gate_pipeline.gen_lane[0].u_lane.r5};
  wire [4*SigBits-1:0]  z = {u_dut.u_gate_pipeline.gen_lane[3].u_lane.z8, u_dut.u_gate_pipeline.gen_lane[2].u_lane.z8,
                             u_dut.u_gate_pipeline.gen_lane[1].u_lane.z8, u_dut.u_gate_pipeline.gen_lane[0].u_lane.z8};
  wire [4*TanhBits-1:0] n = {u_dut.u_gate_pipeline.gen_lane[3].u_lane.n10, u_dut.u_gate_pipeline.gen_lane[2].u_lane.n10,
                             u_dut.u_gate_pipeline.gen_lane[1].u_lane.n10, u_dut.u_gate_pipeline.gen_lane[0].u_lane.n10};

  // What belongs to one quad, brought to one cycle: r is ahead of z, and z of n.
  localparam int QuadWidth = 4 * AccBits;
  logic [QuadWidth-1:0] m3_r, m4_r, m4_z;
  logic [4*SigBits-1:0] r6, r7, r8;
  always @(posedge clk_i) begin
    m3_r <= u_dut.u_gate_pipeline.m_q[BankR*QuadWidth +: QuadWidth];
    m4_r <= m3_r;
    m4_z <= u_dut.u_gate_pipeline.m_q[BankZ*QuadWidth +: QuadWidth];
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
      if (u_dut.s_axis_x_tvalid && !offered_q) begin
        offered_q      <= 1'b1;
        offered_step_q <= offered_step_q + 1;
      end
      if (u_dut.s_axis_x_tvalid && u_dut.s_axis_x_tready && u_dut.s_axis_x_tlast) offered_q <= 1'b0;
      if (u_dut.packet_done) step_q <= step_q + 1;
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
      if (u_dut.s_axis_x_tvalid && !offered_q && !drop) $fwrite(file, "X %0d %0d\n", offered_step_q, cycle_q);
      if (u_dut.u_x_ingress.taken) $fwrite(file, "B %h\n", u_dut.s_axis_x_tdata);
      if (u_dut.push_valid && u_dut.push_ready) begin
        case (u_dut.push_type)
          EntryBias:   $fwrite(file, "I %h\n", u_dut.push_layer);
          EntryColumn: $fwrite(file, "C %h %h %h %h %h\n", u_dut.push_layer, u_dut.push_kind,
                               u_dut.u_column_fetch.index2_q, u_dut.push_delta, u_dut.burst_beats);
          EntryEnd:    if (u_dut.undo) $fwrite(file, "U %h\n", u_dut.push_layer);
                       else            $fwrite(file, "E %h %h\n", u_dut.push_layer, u_dut.push_kind);
          default: ;
        endcase
      end
      if (u_dut.u_gate_pipeline.valid_q[4]) begin
        $fwrite(file, "M %h %h %h %h %h %h\n", u_dut.gate_layer, u_dut.u_gate_pipeline.tag_q[4], m4_r, m4_z,
                u_dut.u_gate_pipeline.m_q[BankNx*QuadWidth +: QuadWidth],
                u_dut.u_gate_pipeline.m_q[BankNh*QuadWidth +: QuadWidth]);
      end
      if (u_dut.u_gate_pipeline.valid_q[8]) begin
        $fwrite(file, "R %h %h %h %h\n", u_dut.gate_layer, u_dut.u_gate_pipeline.tag_q[8], r8, z);
      end
      if (u_dut.u_gate_pipeline.valid_q[10]) begin
        $fwrite(file, "N %h %h %h\n", u_dut.gate_layer, u_dut.u_gate_pipeline.tag_q[10], n);
      end
      if (u_dut.h_we) $fwrite(file, "H %h %h %h\n", u_dut.gate_layer, u_dut.h_quad, u_dut.h_wdata);
      if (u_dut.packet_done) begin
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
