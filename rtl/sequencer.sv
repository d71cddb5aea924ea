// Sequencer: the life of a sequence, the order of the encoder's passes, and what happens on faults and resets.
//
// Order of passes in a step, H before X in all layers but the first:
//
//   X0  H0* | H1  X1* | H2  X2* | ...       (* the gates of the layer may run after this pass)
//
// H_l+1 depends on the step before only, so its columns keep the port busy while the gates of layer l fill the
// pipeline; X_l+1 follows those gates vector by vector. Changing this order is all it takes to change when columns
// are read: pass_type_o, pass_layer_o and `runnable` below.
module sequencer
  import edgedrnn_pkg::*;
  import edgedrnn_reg_pkg::*;
#(
  parameter int AxiDataWidth = 64,
  parameter int AxiAddrWidth = 32,
  parameter int MaxLayers    = 4,
  parameter int MaxUnits     = 1024
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,

  // Commands, one cycle each
  input  logic                           start_i,
  input  logic                           soft_reset_i,
  input  logic                           new_sequence_i,

  // Configuration
  input  logic [3:0]                     num_layers_i,
  input  logic [3:0]                     lut_frac_i,
  input  logic [MaxLayers*SizeBits-1:0]  input_size_i,
  input  logic [MaxLayers*SizeBits-1:0]  hidden_size_i,
  input  logic [MaxLayers*SizeBits-1:0]  groups_i,
  input  logic [MaxLayers*ThetaBits-1:0] theta_x_i,
  input  logic [MaxLayers*ThetaBits-1:0] theta_h_i,
  input  logic [MaxLayers*32-1:0]        addr_wx_i,
  input  logic [MaxLayers*32-1:0]        addr_wh_i,
  input  logic [MaxLayers*32-1:0]        addr_bias_i,

  // Input stream
  output logic                           x_open_o,
  output logic                           x_drop_o,
  input  logic                           x_first_i,
  input  logic                           x_short_i,
  input  logic                           x_long_i,
  input  logic [VecBits:0]               x_beat_i,

  // Encoder
  output logic                           pass_valid_o,
  input  logic                           pass_ready_i,
  output pass_e                          pass_type_o,
  output logic [LayerBits-1:0]           pass_layer_o,
  output logic                           pass_last_o,
  output logic [SizeBits-1:0]            pass_size_o,
  output logic [ThetaBits-1:0]           pass_theta_o,

  // What the rest is doing
  input  logic                           gate_started_i,   // pulses
  input  logic                           gate_done_i,
  input  logic                           quiet_i,          // nothing between encoder and delta memories
  input  logic                           bus_idle_i,       // no read is owed
  input  logic                           slverr_i,
  input  logic                           decerr_i,
  input  logic                           timeout_i,

  output logic                           flush_o,
  output logic                           drain_o,

  // Status
  output seq_state_e                     state_o,
  output logic                           busy_init_o,
  output logic                           ready_o,          // pulses: a sequence waits for its first x
  output logic                           reset_done_o,
  output logic                           fault_o,
  output logic [7:0]                     error_cause_o,
  output logic [LayerBits-1:0]           error_layer_o,
  output logic [15:0]                    error_info_o
);
  seq_state_e           state_q;
  logic                 pending_q;         // a new sequence is asked for
  logic [LayerBits:0]   init_q;            // layers whose initialisation has been handed out
  logic [LayerBits+1:0] pass_q;            // position in the order of passes
  logic [LayerBits:0]   started_q, done_q; // layers whose gates have started, are done, in this step
  logic [MaxLayers*ThetaBits-1:0] theta_x_q, theta_h_q;

  // ---- Check of the configuration -----------------------------------------------------------------------------------
  logic                 check_done;
  logic [7:0]           check_cause;
  logic [LayerBits-1:0] check_layer;
  logic [1:0]           check_region;
  wire                  begins = (state_q == SeqIdle) && start_i && !soft_reset_i;

  config_check #(
    .AxiDataWidth(AxiDataWidth), .AxiAddrWidth(AxiAddrWidth), .MaxLayers(MaxLayers), .MaxUnits(MaxUnits)
  ) u_config_check (
    .clk_i, .rst_ni,
    .flush_i (flush_o),
    .start_i (begins),
    .num_layers_i, .lut_frac_i, .input_size_i, .hidden_size_i, .groups_i,
    .addr_wx_i, .addr_wh_i, .addr_bias_i,
    .done_o  (check_done),
    .cause_o (check_cause),
    .layer_o (check_layer),
    .region_o(check_region)
  );

  // ---- Passes -------------------------------------------------------------------------------------------------------
  wire [LayerBits-1:0] step_layer = pass_q[LayerBits:1];
  wire                 step_is_x  = (step_layer == '0) ? !pass_q[0] : pass_q[0];
  wire                 steps_left = (pass_q != {num_layers_i, 1'b0});
  wire                 runnable   = !step_is_x || ({1'b0, step_layer} <= started_q);
  wire                 init_left  = (init_q != num_layers_i);
  wire                 init       = (state_q == SeqInit);

  assign pass_layer_o = init ? init_q[LayerBits-1:0] : step_layer;
  assign pass_type_o  = init ? PassInit : step_is_x ? PassX : PassH;
  assign pass_last_o  = pass_q[0];
  assign pass_valid_o = init ? init_left : ((state_q == SeqStep) && steps_left && runnable);

  wire [SizeBits-1:0] inputs = input_size_i [pass_layer_o*SizeBits +: SizeBits];
  wire [SizeBits-1:0] units  = hidden_size_i[pass_layer_o*SizeBits +: SizeBits];
  assign pass_size_o  = init ? ((inputs > units) ? inputs : units) : step_is_x ? inputs : units;
  assign pass_theta_o = step_is_x ? theta_x_q[pass_layer_o*ThetaBits +: ThetaBits]
                                  : theta_h_q[pass_layer_o*ThetaBits +: ThetaBits];

  assign x_open_o    = (state_q == SeqWaitX) && !pending_q;
  assign x_drop_o    = (state_q == SeqError) || (state_q == SeqDrain);
  assign flush_o     = (state_q == SeqError) || (state_q == SeqDrain);
  assign drain_o     = flush_o;
  assign state_o     = state_q;
  assign busy_init_o = pending_q || (state_q == SeqCheck) || (state_q == SeqInit);

  // ---- Faults: the first one counts -----------------------------------------------------------------------------------
  wire open = (state_q == SeqInit) || (state_q == SeqWaitX) || (state_q == SeqStep);   // a sequence is open
  logic                 fault;
  logic [7:0]           cause;
  logic [LayerBits-1:0] fault_layer;
  logic [15:0]          info;
  always_comb begin
    fault       = 1'b1;
    cause       = ErrNone;
    fault_layer = '0;
    info        = '0;
    if (open && slverr_i) begin
      cause = ErrRrespSlverr;
    end else if (open && decerr_i) begin
      cause = ErrRrespDecerr;
    end else if (open && timeout_i) begin
      cause = ErrTimeout;
    end else if (open && x_short_i) begin
      cause = ErrXShort;
      info  = 16'(x_beat_i);
    end else if (open && x_long_i) begin
      cause = ErrXLong;
      info  = 16'(x_beat_i);
    end else if (state_q == SeqCheck && check_done && check_cause != ErrNone) begin
      cause       = check_cause;
      fault_layer = (check_cause == ErrCfgLayers) ? '0 : check_layer;
      info        = (check_cause == ErrCfgLayers || check_cause == ErrCfgSize) ? '0 : 16'(check_region);
    end else if (start_i && state_q != SeqIdle) begin
      cause = ErrStartBusy;
    end else if (new_sequence_i && (state_q == SeqIdle || state_q == SeqDrain)) begin
      cause = ErrSeqIdle;
    end else begin
      fault = 1'b0;
    end
  end
  assign fault_o = fault && (state_q != SeqError) && !soft_reset_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || soft_reset_i) begin
      error_cause_o <= ErrNone;
      error_layer_o <= '0;
      error_info_o  <= '0;
    end else if (fault_o) begin
      error_cause_o <= cause;
      error_layer_o <= fault_layer;
      error_info_o  <= info;
    end
  end

  // ---- States ---------------------------------------------------------------------------------------------------------
  wire init_over = init && !init_left && pass_ready_i && quiet_i;
  wire step_over = (state_q == SeqStep) && (done_q == num_layers_i);
  assign ready_o      = init_over && !fault_o && !soft_reset_i;
  assign reset_done_o = (state_q == SeqDrain) && bus_idle_i && !fault_o && !soft_reset_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q   <= SeqIdle;
      pending_q <= 1'b0;
      init_q    <= '0;
      pass_q    <= '0;
      started_q <= '0;
      done_q    <= '0;
    end else if (soft_reset_i) begin
      state_q   <= SeqDrain;
      pending_q <= 1'b0;
    end else if (fault_o) begin
      state_q   <= SeqError;
      pending_q <= 1'b0;
    end else begin
      if (new_sequence_i && state_q != SeqError) pending_q <= 1'b1;
      case (state_q)
        SeqIdle: if (start_i) state_q <= SeqCheck;
        SeqCheck: if (check_done) begin
          init_q  <= '0;
          state_q <= SeqInit;
        end
        SeqInit: begin
          if (pass_valid_o && pass_ready_i) init_q <= init_q + 1'b1;
          if (init_over) state_q <= SeqWaitX;
        end
        SeqWaitX: begin
          pass_q    <= '0;
          started_q <= '0;
          done_q    <= '0;
          init_q    <= '0;
          if (x_first_i) begin
            state_q <= SeqStep;
          end else if (pending_q) begin
            pending_q <= new_sequence_i;
            state_q   <= SeqInit;
          end
        end
        SeqStep: begin
          if (pass_valid_o && pass_ready_i) pass_q <= pass_q + 1'b1;
          if (gate_started_i) started_q <= started_q + 1'b1;
          if (gate_done_i)    done_q    <= done_q + 1'b1;
          if (step_over)      state_q   <= SeqWaitX;
        end
        SeqError: ;                       // until a soft reset
        SeqDrain: if (bus_idle_i) state_q <= SeqIdle;
        default: state_q <= SeqIdle;
      endcase
    end
  end

  // A step works with the thresholds that stood when its first beat was taken.
  always_ff @(posedge clk_i) begin
    if (x_first_i) begin
      theta_x_q <= theta_x_i;
      theta_h_q <= theta_h_i;
    end
  end
endmodule
