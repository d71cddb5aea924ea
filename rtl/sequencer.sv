// SPDX-License-Identifier: Apache-2.0
// Sequencer: the life of a sequence, the order of the encoder's passes, and what happens on faults and resets.
//
// The order of passes is where the speed comes from. Of the passes that may run, the first of these is taken:
//
//   1. X of the next layer, as soon as its source begins to be known: x has come, or the gates below have started
//   2. H of a layer whose X is on its way: its gates wait for nothing else
//   3. H of any layer whose h is known, for this step or, when no X is left in it, already for the next one, when the
//      port is about to run dry
//
// So recurrent columns are read while x is awaited, and keep the port busy while gates fill their pipeline. A PassH
// that ran before its step began used the threshold of that moment. If another one holds when the step begins, the
// pass is taken back (PassUndo) and made again: a step always works with the thresholds in force when the first
// beat of its x was taken.
`include "edgedrnn_assert.svh"

`default_nettype none

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
  output pass_t                          pass_o,

  // What the rest is doing
  input  logic                           gate_started_i,   // pulses
  input  logic                           gate_done_i,
  input  logic                           work_low_i,         // little is queued for the PEs
  input  logic                           quiet_i,          // nothing between encoder and delta memories
  input  logic                           bus_idle_i,       // no read is owed
  input  logic                           slverr_i,
  input  logic                           decerr_i,
  input  logic                           r_short_i,
  input  logic                           r_long_i,
  input  logic                           r_unowed_i,
  input  logic                           timeout_i,
  input  logic                           gave_up_i,        // reads that a soft reset waited for did not come

  output logic                           flush_o,
  output logic                           drain_o,
  output logic                           give_up_o,        // draining counts towards the time-out

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
  localparam int LayerIndexBits = (MaxLayers > 1) ? $clog2(MaxLayers) : 1;

  seq_state_e           state_q;
  logic                 stopped_q;         // SeqError or SeqDrain
  logic                 open_q;            // SeqWaitX, and no new sequence is asked for
  logic                 pending_q;         // a new sequence is asked for
  logic [LayerBits:0]   init_q;            // layers whose initialisation has been handed out
  logic [LayerBits:0]   x_next_q;          // layers whose X has been handed out in this step
  logic [LayerBits:0]   started_q, done_q; // layers whose gates have started, are done, in this step
  // For each layer: its H is handed out, for this step or, once its gates have started, for the next one; the
  // threshold which that pass used; and that it was not the one of its step.
  logic [MaxLayers-1:0]           h_given_q, stale_q;
  logic [MaxLayers*ThetaBits-1:0] theta_used_q;
  logic [MaxLayers*ThetaBits-1:0] theta_x_q, theta_h_q;

  // ---- Check of the configuration -----------------------------------------------------------------------------------
  logic                 check_done;
  logic [7:0]           check_cause;
  logic [LayerBits-1:0] check_layer;
  region_e              check_region;
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
  wire init      = (state_q == SeqInit);
  wire waiting   = (state_q == SeqWaitX);
  wire stepping  = (state_q == SeqStep);
  wire init_left = (init_q != num_layers_i);

  // Thresholds of a cycle ago, so that what depends on them can be decided a cycle ahead.
  logic [MaxLayers*ThetaBits-1:0] theta_x, theta_h;
  logic [MaxLayers-1:0]           changing;      // theta_h will be another one in the next cycle
  logic [MaxLayers-1:0]           differ_q;      // theta_h is not the one of the H pass handed out
  always_ff @(posedge clk_i) begin
    theta_x <= theta_x_i;
    theta_h <= theta_h_i;
  end

  // What a layer's H is waiting for. `ahead`: the pass belongs to the next step, and must not come before an X of this
  // one.
  wire no_x_left = !stepping || (x_next_q == num_layers_i);
  logic [MaxLayers-1:0] ahead, want, urgent, current;
  for (genvar l = 0; l < MaxLayers; l++) begin : gen_layer
    assign changing[l] = (theta_h[l*ThetaBits +: ThetaBits] != theta_h_i[l*ThetaBits +: ThetaBits]);
    assign ahead[l]    = !stepping || (4'(l) < started_q);
    assign want[l]     = (4'(l) < num_layers_i)
                      && (ahead[l] ? !h_given_q[l] && no_x_left : !h_given_q[l] || stale_q[l]);
    assign current[l]  = want[l] && !ahead[l];
    assign urgent[l]   = current[l] && (4'(l) < x_next_q);
  end

  // The H pass to hand out next is chosen, then looked up, two cycles ahead; whatever happens meanwhile takes the
  // choice back.
  wire [MaxLayers-1:0] choice = (urgent != '0) ? urgent : (current != '0) ? current : want;
  logic [LayerBits-1:0] choice_layer;
  always_comb begin
    choice_layer = '0;
    for (int l = MaxLayers - 1; l >= 0; l--) begin
      if (choice[l]) choice_layer = LayerBits'(l);
    end
  end
  wire [LayerIndexBits-1:0] choice_index = choice_layer[LayerIndexBits-1:0];
  wire                      choice_ahead = ahead[choice_index];
  wire                      choice_undo  = h_given_q[choice_index];   // wanted although handed out: it is stale
  wire                      handed, events;

  logic                 chosen_q, chosen_urgent_q, chosen_undo_q, chosen_ahead_q, chosen_last_q;
  logic [LayerBits-1:0] chosen_layer_q;
  always_ff @(posedge clk_i) begin
    chosen_q        <= rst_ni && (choice != '0) && (waiting || stepping) && !events;
    chosen_urgent_q <= (urgent != '0);
    chosen_undo_q   <= choice_undo;
    chosen_ahead_q  <= choice_ahead;
    chosen_last_q   <= !choice_undo && !choice_ahead && ({1'b0, choice_layer} < x_next_q);
    chosen_layer_q  <= choice_layer;
  end

  wire [LayerIndexBits-1:0] chosen_index = chosen_layer_q[LayerIndexBits-1:0];
  logic                 h_valid_q, h_urgent_q, h_undo_q, h_last_q;
  logic [LayerBits-1:0] h_layer_q;
  logic [SizeBits-1:0]  h_size_q;
  logic [ThetaBits-1:0] h_theta_q;
  always_ff @(posedge clk_i) begin
    h_valid_q  <= rst_ni && chosen_q && !events && (changing == '0);
    h_urgent_q <= chosen_urgent_q;
    h_undo_q   <= chosen_undo_q;
    h_last_q   <= chosen_last_q;
    h_layer_q  <= chosen_layer_q;
    h_size_q   <= hidden_size_i[chosen_index*SizeBits +: SizeBits];
    h_theta_q  <= chosen_undo_q  ? '0
                : chosen_ahead_q ? theta_h  [chosen_index*ThetaBits +: ThetaBits]
                                 : theta_h_q[chosen_index*ThetaBits +: ThetaBits];
  end

  // X of the next layer, and the next initialisation, looked up as soon as it is known which one that is: the encoder
  // is busy for longer than that. Only X of layer 0 may be wanted at once.
  wire [LayerIndexBits-1:0] x_index = x_next_q[LayerIndexBits-1:0];
  wire [LayerIndexBits-1:0] i_index = init_q[LayerIndexBits-1:0];
  wire [SizeBits-1:0]       i_inputs = input_size_i [i_index*SizeBits +: SizeBits];
  wire [SizeBits-1:0]       i_units  = hidden_size_i[i_index*SizeBits +: SizeBits];
  logic                     i_known_q;
  logic [SizeBits-1:0]      x_size_q, i_size_q;
  logic [ThetaBits-1:0]     x_theta_q;
  always_ff @(posedge clk_i) begin
    x_size_q  <= input_size_i[x_index*SizeBits +: SizeBits];
    x_theta_q <= x_first_i ? theta_x[ThetaBits-1:0] : theta_x_q[x_index*ThetaBits +: ThetaBits];
    i_size_q  <= (i_inputs > i_units) ? i_inputs : i_units;
    i_known_q <= init && !handed;
  end

  wire begins_step = x_first_i;                  // X of layer 0 is handed out in this very cycle
  wire x_runs = begins_step || (stepping && (x_next_q != num_layers_i) && (x_next_q <= started_q));
  wire h_runs = h_valid_q && (stepping ? (h_urgent_q || work_low_i) : (open_q && work_low_i));

  assign pass_o.layer = init ? init_q[LayerBits-1:0] : x_runs ? x_next_q[LayerBits-1:0] : h_layer_q;
  assign pass_o.op    = init ? PassInit : x_runs ? PassX : h_undo_q ? PassUndo : PassH;
  assign pass_o.last  = begins_step ? (h_given_q[0] && !differ_q[0])
                      : x_runs ? (h_given_q[x_index] && !stale_q[x_index]) : h_last_q;
  assign pass_o.size  = init ? i_size_q : begins_step ? input_size_i[SizeBits-1:0] : x_runs ? x_size_q : h_size_q;
  assign pass_o.theta = begins_step ? theta_x[ThetaBits-1:0] : x_runs ? x_theta_q : h_theta_q;
  assign pass_valid_o = init ? (init_left && i_known_q) : (x_runs || h_runs);
  assign handed       = pass_valid_o && pass_ready_i;
  wire   h_handed     = handed && !init && !x_runs;

  assign x_open_o    = open_q;
  assign flush_o     = stopped_q;
  assign x_drop_o    = flush_o;
  assign drain_o     = flush_o;
  assign give_up_o   = (state_q == SeqDrain) && !soft_reset_i;   // each soft reset starts the count again
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
    end else if (open && (r_short_i || r_long_i || r_unowed_i)) begin   // one of them at a time
      cause = r_unowed_i ? ErrRUnowed : r_long_i ? ErrRLong : ErrRShort;
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
    end else if (state_q == SeqDrain && gave_up_i) begin
      cause = ErrResetTimeout;
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
  wire step_over = stepping && (done_q == num_layers_i);
  assign events  = handed || x_first_i || gate_started_i || step_over;
  assign ready_o      = init_over && !fault_o && !soft_reset_i;
  assign reset_done_o = (state_q == SeqDrain) && bus_idle_i && !fault_o && !soft_reset_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q   <= SeqIdle;
      stopped_q <= 1'b0;
      open_q    <= 1'b0;
      pending_q <= 1'b0;
      init_q    <= '0;
      x_next_q  <= '0;
      started_q <= '0;
      done_q    <= '0;
    end else if (soft_reset_i) begin
      state_q   <= SeqDrain;
      stopped_q <= 1'b1;
      open_q    <= 1'b0;
      pending_q <= 1'b0;
    end else if (fault_o) begin
      state_q   <= SeqError;
      stopped_q <= 1'b1;
      open_q    <= 1'b0;
      pending_q <= 1'b0;
    end else begin
      if (new_sequence_i && state_q != SeqError) pending_q <= 1'b1;
      open_q <= (waiting ? !x_first_i : init ? init_over : step_over) && !pending_q && !new_sequence_i;
      case (state_q)
        SeqIdle: if (start_i) state_q <= SeqCheck;
        SeqCheck: if (check_done) begin
          init_q  <= '0;
          state_q <= SeqInit;
        end
        SeqInit: begin
          if (handed) init_q <= init_q + 1'b1;
          x_next_q  <= '0;
          started_q <= '0;
          done_q    <= '0;
          if (init_over) state_q <= SeqWaitX;
        end
        SeqWaitX: begin
          init_q <= '0;
          if (handed && begins_step) x_next_q <= (LayerBits+1)'(1);
          if (x_first_i) begin
            state_q <= SeqStep;
          end else if (pending_q) begin
            pending_q <= new_sequence_i;
            state_q   <= SeqInit;
          end
        end
        SeqStep: begin
          if (handed && x_runs) x_next_q <= x_next_q + 1'b1;
          if (gate_started_i) started_q <= started_q + 1'b1;
          if (gate_done_i)    done_q    <= done_q + 1'b1;
          if (step_over) begin
            x_next_q  <= '0;
            started_q <= '0;
            done_q    <= '0;
            state_q   <= SeqWaitX;
          end
        end
        SeqError: ;                       // until a soft reset
        SeqDrain: if (bus_idle_i) begin
          state_q   <= SeqIdle;
          stopped_q <= 1'b0;
        end
        default: state_q <= SeqIdle;
      endcase
    end
  end

  // A step works with the thresholds in force when its first beat was taken.
  always_ff @(posedge clk_i) begin
    if (x_first_i) begin
      theta_x_q <= theta_x;
      theta_h_q <= theta_h;
    end
  end

  for (genvar l = 0; l < MaxLayers; l++) begin : gen_given
    wire mine  = h_handed && (h_layer_q == LayerBits'(l));
    wire gates = gate_started_i && stepping && (started_q == 4'(l));
    always_ff @(posedge clk_i) begin
      if (!rst_ni || flush_o || init) begin
        h_given_q[l] <= 1'b0;
        stale_q[l]   <= 1'b0;
      end else begin
        if (mine)       h_given_q[l] <= !h_undo_q;
        else if (gates) h_given_q[l] <= 1'b0;
        if (x_first_i)             stale_q[l] <= h_given_q[l] && differ_q[l];
        else if (mine && h_undo_q) stale_q[l] <= 1'b0;
      end
    end
    // A pass that is handed out ahead of its step works with theta_h of this cycle.
    always_ff @(posedge clk_i) begin
      if (mine && !h_undo_q) theta_used_q[l*ThetaBits +: ThetaBits] <= h_theta_q;
      differ_q[l] <= mine ? changing[l] : (theta_used_q[l*ThetaBits +: ThetaBits] != theta_h_i[l*ThetaBits +: ThetaBits]);
    end
  end

  `EDGEDRNN_ASSERT(StateIsLegal, state_q <= SeqDrain)
  `EDGEDRNN_ASSERT(StoppedMeansItsStates, stopped_q == (state_q == SeqError || state_q == SeqDrain))
  `EDGEDRNN_ASSERT(OpenOnlyWhileWaiting, !open_q || waiting)
  `EDGEDRNN_ASSERT(PassOfALayer, !handed || ({1'b0, pass_o.layer} < num_layers_i))
  // Commands of one write: a soft reset comes before the others, and a start goes with no new sequence.
  `EDGEDRNN_ASSERT(SoftResetFirst, rst_ni && soft_reset_i |=> state_q == SeqDrain && !pending_q)
  `EDGEDRNN_ASSERT(StartWithNewSequence, rst_ni && start_i && new_sequence_i && !soft_reset_i |=> state_q == SeqError)
  `EDGEDRNN_ASSERT(LayersInOrder, !stepping || (done_q <= started_q && started_q <= num_layers_i
                   && x_next_q <= num_layers_i))
endmodule

`default_nettype wire
