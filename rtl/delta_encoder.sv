// SPDX-License-Identifier: Apache-2.0
// Delta encoder: walks a vector 8 elements a cycle and emits the elements that have moved by at least the threshold
// since they were last propagated, each as an entry (index, delta). Keeps the references x^ and h^ of all layers.
//
//   cycle  A              B           C                   D                      E
//          read source -> capture  -> sat16(src - ref) -> |delta| >= theta?   -> one firing element a cycle
//          and reference              Q8.8, 8 lanes       reference += delta     (index, delta Q8.8)
//
// A vector in which nothing fires costs one cycle; otherwise one for each firing element, but at least two. A pass ends
// with an EntryEnd. A PassInit emits one EntryBias and then clears both references and the hidden state of its layer.
// A PassH keeps the references it found; a PassUndo walks from the new ones back to those: the same columns with the
// opposite deltas, which leaves references and delta memories as if the PassH had never been.
// While the gates of the source layer are still running, the walk keeps behind them (gate_*_i).
`include "edgedrnn_assert.svh"

`default_nettype none

module delta_encoder
  import edgedrnn_pkg::*;
#(
  parameter int MaxLayers = 4,
  parameter int MaxUnits  = 1024
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 flush_i,        // give up the pass and everything in flight

  input  logic                 pass_valid_i,
  output logic                 pass_ready_o,
  input  pass_t                pass_i,

  input  logic                 x_valid_i,      // source of PassX of layer 0
  output logic                 x_ready_o,
  input  logic [VecWidth-1:0]  x_data_i,

  output logic                 h_re_o,         // source of all other passes
  output logic [LayerBits-1:0] h_layer_o,
  output logic [VecBits-1:0]   h_vec_o,
  input  logic [VecWidth-1:0]  h_rdata_i,
  output logic                 h_clear_o,      // write zeros at h_layer_o, h_vec_o

  input  logic                 gate_busy_i,
  input  logic [LayerBits-1:0] gate_layer_i,
  input  logic [VecBits:0]     gate_vecs_i,    // vectors of h_t that are written

  output logic                 entry_valid_o,
  input  logic                 entry_ready_i,
  output entry_t               entry_o,

  output logic                 idle_o
);
  localparam int VecsPerLayer = MaxUnits / VecLanes;
  localparam int VecIndexBits = $clog2(VecsPerLayer);
  localparam int LayerIndexBits = (MaxLayers > 1) ? $clog2(MaxLayers) : 1;
  localparam int RefAddrBits = 1 + LayerIndexBits + VecIndexBits;

  typedef enum logic [2:0] {
    StIdle, StWalk, StTail, StEnd, StBias, StClearX, StClearH
  } state_e;

  state_e               state_q;
  pass_t                pass_q;
  logic [VecBits:0]     vec_q;          // next vector to read

  wire                  undo     = (pass_q.op == PassUndo);
  wire                  of_h     = (pass_q.op == PassH) || (pass_q.op == PassUndo);
  wire                  kind     = of_h ? KindH : KindX;
  wire                  from_x   = (pass_q.op == PassX) && (pass_q.layer == '0);
  wire [LayerBits-1:0]  src_layer = (pass_q.op == PassX) ? pass_q.layer - 1'b1 : pass_q.layer;
  wire [SizeBits:0]     size_up  = {1'b0, pass_q.size} + 12'(VecLanes - 1);
  wire [VecBits:0]      vecs     = size_up[VecBits+3:3];

  // ---- A: issue the read ------------------------------------------------------------------------------------------
  logic b_valid_q, c_valid_q, d_valid_q, e_valid;
  logic b_ready, c_ready, d_ready, a_fire;

  // Whether the next vector of h_t is written is decided a cycle ahead; behind running gates, then, every other cycle.
  logic written_q;
  always_ff @(posedge clk_i) begin
    written_q <= (state_q == StWalk) && (undo || !(gate_busy_i && gate_layer_i == src_layer)
                                         || (vec_q < gate_vecs_i && !a_fire));
  end
  wire src_valid   = from_x ? x_valid_i : written_q;
  assign a_fire    = (state_q == StWalk) && src_valid && b_ready;

  assign x_ready_o  = (state_q == StWalk) && from_x && b_ready;
  // What is read when nothing moves on is not looked at.
  assign h_re_o     = b_ready;
  assign h_layer_o  = (state_q == StClearH) ? pass_q.layer : src_layer;
  assign h_vec_o    = vec_q[VecBits-1:0];
  assign h_clear_o  = (state_q == StClearH);

  // ---- B: capture -------------------------------------------------------------------------------------------------
  logic [VecBits-1:0]  b_vec_q, c_vec_q, d_vec_q, e_vec_q;
  logic [VecWidth-1:0] b_x_q, c_src_q, c_ref_q;
  logic [VecWidth-1:0] ref_rdata, kept_rdata;

  // ---- C: difference ----------------------------------------------------------------------------------------------
  logic [VecWidth-1:0] c_delta;

  for (genvar i = 0; i < VecLanes; i++) begin : gen_diff
    wire signed [ActBits:0] diff = {c_src_q[i*ActBits+ActBits-1], c_src_q[i*ActBits +: ActBits]}
                                 - {c_ref_q[i*ActBits+ActBits-1], c_ref_q[i*ActBits +: ActBits]};
    wire overflow = diff[ActBits] != diff[ActBits-1];
    wire member   = {1'b0, c_vec_q, 3'(i)} < pass_q.size;      // the lane holds an element of the vector
    assign c_delta[i*ActBits +: ActBits] =
        !member ? '0 : overflow ? {diff[ActBits], {(ActBits-1){!diff[ActBits]}}} : diff[ActBits-1:0];
  end

  // ---- D: compare and update the reference ------------------------------------------------------------------------
  logic [VecWidth-1:0]     d_delta_q, d_ref_q, d_ref_new;
  logic [VecLanes-1:0]     d_fire;
  act_t                    theta_up_q, theta_down_q;    // max(theta, 1) and its opposite

  for (genvar i = 0; i < VecLanes; i++) begin : gen_fire
    wire signed [ActBits-1:0] delta = d_delta_q[i*ActBits +: ActBits];
    assign d_fire[i] = (delta >= theta_up_q || delta <= theta_down_q);
    assign d_ref_new[i*ActBits +: ActBits] = d_ref_q[i*ActBits +: ActBits] + delta;
  end
  wire d_move = d_valid_q && d_ready;

  // ---- E: one entry a cycle ---------------------------------------------------------------------------------------
  logic [VecWidth-1:0] e_delta_q;
  logic [VecLanes-1:0] e_pending_q;
  logic [VecLanes-1:0] e_rest;          // all but the first
  logic [2:0]          e_lane;
  logic                found;
  always_comb begin
    e_lane = 3'd0;
    found  = 1'b0;
    for (int i = 0; i < VecLanes; i++) begin
      e_rest[i] = e_pending_q[i] && found;
      if (e_pending_q[i] && !found) e_lane = 3'(i);
      found = found || e_pending_q[i];
    end
  end
  assign e_valid = (e_pending_q != '0);

  // A quiet vector leaves D without entering E. The stages before D do not look at E's last entry, so a vector that
  // fires once costs two cycles.
  assign d_ready = (e_rest == '0) && (!e_valid || entry_ready_i);
  assign c_ready = !d_valid_q || !e_valid;
  assign b_ready = !(b_valid_q && c_valid_q && d_valid_q && e_valid);
  wire   b_move  = b_valid_q && (!c_valid_q || c_ready);
  wire   c_move  = c_valid_q && c_ready;

  wire pipe_empty = !b_valid_q && !c_valid_q && !d_valid_q && !e_valid;

  assign entry_valid_o = e_valid || (state_q == StEnd) || (state_q == StBias);
  assign entry_o.op    = (state_q == StBias) ? EntryBias : (state_q == StEnd) ? EntryEnd : EntryColumn;
  assign entry_o.layer = pass_q.layer;
  assign entry_o.kind  = kind;
  assign entry_o.last  = pass_q.last;
  assign entry_o.undo  = undo;
  assign entry_o.index = {e_vec_q, e_lane};
  assign entry_o.delta = e_delta_q[e_lane*ActBits +: ActBits];

  assign pass_ready_o = (state_q == StIdle);
  assign idle_o       = (state_q == StIdle);

  always_ff @(posedge clk_i) begin
    if (a_fire) begin
      b_vec_q <= vec_q[VecBits-1:0];
      b_x_q   <= x_data_i;
    end
    if (b_move) begin
      c_src_q <= from_x ? b_x_q : undo ? kept_rdata : h_rdata_i;
      c_ref_q <= ref_rdata;
      c_vec_q <= b_vec_q;
    end
    if (c_move) begin
      d_delta_q  <= c_delta;
      d_ref_q    <= c_ref_q;
      d_vec_q    <= c_vec_q;
    end
    if (d_ready) begin
      e_delta_q <= d_delta_q;
      e_vec_q   <= d_vec_q;
    end
    theta_up_q   <= (pass_q.theta == '0) ? 16'sd1 : {1'b0, pass_q.theta};
    theta_down_q <= (pass_q.theta == '0) ? -16'sd1 : -$signed({1'b0, pass_q.theta});
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      b_valid_q   <= 1'b0;
      c_valid_q   <= 1'b0;
      d_valid_q   <= 1'b0;
      e_pending_q <= '0;
    end else begin
      if (a_fire)      b_valid_q <= 1'b1;
      else if (b_move) b_valid_q <= 1'b0;
      if (b_move)      c_valid_q <= 1'b1;
      else if (c_move) c_valid_q <= 1'b0;
      if (c_move)      d_valid_q <= 1'b1;
      else if (d_move) d_valid_q <= 1'b0;
      if (d_ready)            e_pending_q <= d_fire & {VecLanes{d_valid_q}};
      else if (entry_ready_i) e_pending_q <= e_rest;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      state_q <= StIdle;
    end else begin
      case (state_q)
        StIdle: if (pass_valid_i) begin
          pass_q  <= pass_i;
          vec_q   <= '0;
          state_q <= (pass_i.op == PassInit) ? StBias : StWalk;
        end
        StWalk: if (a_fire) begin
          vec_q <= vec_q + 1'b1;
          if (vec_q + 1'b1 == vecs) state_q <= StTail;
        end
        StTail: if (pipe_empty) state_q <= StEnd;
        StEnd:  if (entry_ready_i) state_q <= StIdle;
        StBias: if (entry_ready_i) state_q <= StClearX;
        StClearX: state_q <= StClearH;
        StClearH: begin
          vec_q   <= vec_q + 1'b1;
          state_q <= (vec_q + 1'b1 == vecs) ? StIdle : StClearX;
        end
        default: state_q <= StIdle;
      endcase
    end
  end

  // ---- References -------------------------------------------------------------------------------------------------
  wire clearing = (state_q == StClearX) || (state_q == StClearH);
  wire [VecBits-1:0] ref_wvec = clearing ? vec_q[VecBits-1:0] : d_vec_q;
  wire               ref_wkind = clearing ? (state_q == StClearH) : kind;

  // Written a cycle later: the next pass reads later still.
  logic [VecLanes-1:0]    ref_we_q;
  logic [RefAddrBits-1:0] ref_waddr_q;
  logic [VecWidth-1:0]    ref_wdata_q;
  always_ff @(posedge clk_i) begin
    ref_we_q    <= clearing ? {VecLanes{1'b1}} : (d_fire & {VecLanes{d_move}});
    ref_waddr_q <= {ref_wkind, pass_q.layer[LayerIndexBits-1:0], ref_wvec[VecIndexBits-1:0]};
    ref_wdata_q <= clearing ? '0 : d_ref_new;
  end

  ram_1r1w #(
    .Width(VecWidth), .Depth(1 << RefAddrBits), .WriteLanes(VecLanes)
  ) u_references (
    .clk_i,
    .re_i   (b_ready),
    .raddr_i({kind, pass_q.layer[LayerIndexBits-1:0], vec_q[VecIndexBits-1:0]}),
    .rdata_o(ref_rdata),
    .we_i   (ref_we_q),
    .waddr_i(ref_waddr_q),
    .wdata_i(ref_wdata_q)
  );

  // What the references of h were before the last PassH of each layer.
  ram_1r1w #(
    .Width(VecWidth), .Depth(1 << (RefAddrBits - 1))
  ) u_kept (
    .clk_i,
    .re_i   (b_ready),
    .raddr_i({pass_q.layer[LayerIndexBits-1:0], vec_q[VecIndexBits-1:0]}),
    .rdata_o(kept_rdata),
    .we_i   (d_valid_q && of_h && !undo),     // again and again while D stalls, which changes nothing
    .waddr_i({pass_q.layer[LayerIndexBits-1:0], d_vec_q[VecIndexBits-1:0]}),
    .wdata_i(d_ref_q)
  );

  `EDGEDRNN_ASSERT(PassIsPossible, !(pass_valid_i && pass_ready_o) || (pass_i.size != '0
                   && int'(pass_i.size) <= MaxUnits && int'(pass_i.layer) < MaxLayers))
  `EDGEDRNN_STABLE(EntryStable, entry_valid_o, entry_ready_i, entry_o, flush_i)
  `EDGEDRNN_ASSERT(StateIsLegal, state_q <= StClearH)
  `EDGEDRNN_NEVER(WalkPastTheEnd, a_fire && (vec_q >= vecs))
  `EDGEDRNN_NEVER(CaptureOverwritten, a_fire && b_valid_q && !b_move)
  `EDGEDRNN_NEVER(DifferenceOverwritten, b_move && c_valid_q && !c_move)
  `EDGEDRNN_NEVER(ComparisonOverwritten, c_move && d_valid_q && !d_move)
  // Conflicts that docs/architecture.md excludes: clearing and reading what the gates have not written yet.
  `EDGEDRNN_NEVER(ClearWhileGatesRun, clearing && gate_busy_i)
  // The vector is in memory: the gates counted it in an earlier cycle.
  `EDGEDRNN_NEVER(HiddenReadBeforeWritten, a_fire && !from_x && !undo && gate_busy_i && (gate_layer_i == src_layer)
                  && (vec_q >= gate_vecs_i || vec_q >= $past(gate_vecs_i)))
endmodule

`default_nettype wire
