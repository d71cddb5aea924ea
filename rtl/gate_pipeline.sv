// SPDX-License-Identifier: Apache-2.0
// Gates of one layer: reads the delta memories four units (a quad) at a time and turns them into h_t.
//
//   stage  0         1         2            3        4 ... 11       12
//          read r
//                 read z  read nx, nh
//                    -> capture, each a cycle after its read -> gate_lane x 4 -> write h_t, send it out if this is
//                                                                                the last layer
//
// r comes first because the column's beats do: when the last beat of a group (n) has left S0 of the PE array, r may
// be read at once, z a cycle later, n when it is written. The PEs have the first claim on r; z and n follow without
// asking. A quad is read only when its units are final (all_ready_i / groups_ready_i) and, in the last layer, when
// the output has room for it, so the lanes never stall.
`include "edgedrnn_assert.svh"

`default_nettype none

module gate_pipeline
  import edgedrnn_pkg::*;
#(
  parameter int Pes       = 8,
  parameter int WordWidth = Pes * AccBits
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       flush_i,
  input  logic [3:0]                 lut_frac_i,

  input  logic                       start_i,
  output logic                       ready_o,
  input  logic [LayerBits-1:0]       layer_i,
  input  logic [SizeBits-1:0]        units_i,
  input  logic                       to_output_i,    // this is the last layer
  input  logic                       all_ready_i,
  input  logic [SizeBits-1:0]        groups_ready_i,

  output logic                       busy_o,
  output logic [LayerBits-1:0]       layer_o,
  output logic [SizeBits-1:0]        passed_o,       // groups read: the PEs may change them
  output logic [VecBits:0]           vecs_o,         // vectors of h_t that are written or being written
  output logic                       done_o,         // the last quad is written in this cycle

  output logic [Banks-1:0]           bank_re_o,
  input  logic                       bank_grant_i,   // r is read in this cycle
  output logic [Banks*SizeBits-1:0]  bank_group_o,
  input  logic [Banks*WordWidth-1:0] bank_rdata_i,

  output logic                       h_re_o,         // h_{t-1}, a cycle later
  output logic [VecBits-1:0]         h_vec_o,
  input  logic [VecWidth-1:0]        h_rdata_i,
  output logic                       h_we_o,
  output logic [QuadBits-1:0]        h_quad_o,
  output logic [QuadLanes*ActBits-1:0] h_wdata_o,

  input  logic                       out_room_i,
  output logic                       out_reserve_o,  // a quad is under way to the output
  output logic                       out_valid_o,
  output logic                       out_last_o,
  output logic                       stalled_o       // held by the output
);
  localparam int QuadsPerGroup = Pes / QuadLanes;
  localparam int SubBits  = $clog2(QuadsPerGroup);
  localparam int QuadWidth = QuadLanes * AccBits;

  // ---- 0: issue -----------------------------------------------------------------------------------------------------
  logic                 busy_q, issuing_q, to_output_q;
  logic [LayerBits-1:0] layer_q;
  logic [QuadBits:0]    quad_q, quads_q;

  wire [SizeBits-1:0] group = SizeBits'(quad_q >> SubBits);
  wire final_units = all_ready_i || (group < groups_ready_i);
  wire go          = issuing_q && final_units && (!to_output_q || out_room_i);
  wire complete    = go && bank_grant_i;
  wire last_quad   = (quad_q + 1'b1 == quads_q);

  assign ready_o       = !busy_q;
  assign busy_o        = busy_q;
  assign layer_o       = layer_q;
  assign passed_o      = issuing_q ? group : '1;
  assign out_reserve_o = complete && to_output_q;
  assign stalled_o     = issuing_q && final_units && to_output_q && !out_room_i;

  // ---- Tags beside the lanes: [k] belongs to stage k ------------------------------------------------------------------
  logic [StageWrite:1]  valid_q;
  logic [QuadBits-1:0]  tag_q [1:StageWrite];
  logic [StageWrite:1]  final_q;              // last quad of the layer

  always_ff @(posedge clk_i) begin
    tag_q[1]   <= quad_q[QuadBits-1:0];
    final_q[1] <= last_quad;
    for (int k = 2; k <= StageWrite; k++) begin
      tag_q[k]   <= tag_q[k-1];
      final_q[k] <= final_q[k-1];
    end
  end

  wire write = valid_q[StageWrite];
  assign done_o = write && final_q[StageWrite];

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      valid_q   <= '0;
      busy_q    <= 1'b0;
      issuing_q <= 1'b0;
    end else begin
      valid_q <= {valid_q[StageWrite-1:1], complete};
      if (start_i && ready_o) begin
        busy_q    <= 1'b1;
        issuing_q <= 1'b1;
      end else begin
        if (complete && last_quad) issuing_q <= 1'b0;
        if (done_o)                busy_q    <= 1'b0;
      end
    end
  end

  logic [VecBits:0] vecs_q;
  assign vecs_o = vecs_q;
  always_ff @(posedge clk_i) begin
    if (start_i && ready_o) begin
      layer_q     <= layer_i;
      quads_q     <= units_i[SizeBits-1:2];
      quad_q      <= '0;
      to_output_q <= to_output_i;
      vecs_q      <= '0;
    end else begin
      if (complete) quad_q <= quad_q + 1'b1;
      if (valid_q[StageWrite-1] && tag_q[StageWrite-1][0]) begin
        vecs_q <= {1'b0, tag_q[StageWrite-1][QuadBits-1:1]} + 1'b1;
      end
    end
  end

  // ---- 0 to 3: reads, and capture a cycle later -----------------------------------------------------------------------
  wire [QuadBits-1:0] read_z = tag_q[StageReadZ];
  wire [QuadBits-1:0] read_n = tag_q[StageReadN];
  always_comb begin
    bank_re_o[BankR]  = go;
    bank_re_o[BankZ]  = valid_q[StageReadZ];
    bank_re_o[BankNx] = valid_q[StageReadN];
    bank_re_o[BankNh] = valid_q[StageReadN];
    bank_group_o[BankR *SizeBits +: SizeBits] = group;
    bank_group_o[BankZ *SizeBits +: SizeBits] = SizeBits'(read_z >> SubBits);
    bank_group_o[BankNx*SizeBits +: SizeBits] = SizeBits'(read_n >> SubBits);
    bank_group_o[BankNh*SizeBits +: SizeBits] = SizeBits'(read_n >> SubBits);
  end

  logic [Banks*QuadWidth-1:0] m_q;            // r belongs to stage 2, z to stage 3, nx and nh to stage 4

  for (genvar b = 0; b < Banks; b++) begin : gen_capture
    localparam int Stage = 1 + ((b == BankR) ? StageReadR : (b == BankZ) ? StageReadZ : StageReadN);
    if (QuadsPerGroup > 1) begin : gen_pick
      wire [SubBits-1:0] sub = tag_q[Stage][SubBits-1:0];
      always_ff @(posedge clk_i) m_q[b*QuadWidth +: QuadWidth] <= bank_rdata_i[b*WordWidth + sub*QuadWidth +: QuadWidth];
    end else begin : gen_whole
      always_ff @(posedge clk_i) m_q[b*QuadWidth +: QuadWidth] <= bank_rdata_i[b*WordWidth +: QuadWidth];
    end
  end

  // ---- 2 to 11: lanes -------------------------------------------------------------------------------------------------
  logic [4:0] half_q;                         // constant while a sequence runs
  always_ff @(posedge clk_i) half_q <= 5'd1 << (4'd8 - lut_frac_i);

  logic [9:0]          tanh_addr [QuadLanes];
  logic [8:0]          tanh_data [QuadLanes];

  // Half of a vector of h_{t-1}: that of the quad.
  logic [QuadLanes*ActBits-1:0] h_prev10_q;
  always_ff @(posedge clk_i) begin
    h_prev10_q <= tag_q[StageHidden][0] ? h_rdata_i[QuadLanes*ActBits +: QuadLanes*ActBits] : h_rdata_i[0 +: QuadLanes*ActBits];
  end

  for (genvar i = 0; i < QuadLanes; i++) begin : gen_lane
    act_t h_new;
    gate_lane u_lane (
      .clk_i,
      .half_i     (half_q),
      .m_r_i      (acc_t'(m_q[BankR *QuadWidth + i*AccBits +: AccBits])),
      .m_z_i      (acc_t'(m_q[BankZ *QuadWidth + i*AccBits +: AccBits])),
      .m_nx_i     (acc_t'(m_q[BankNx*QuadWidth + i*AccBits +: AccBits])),
      .m_nh_i     (acc_t'(m_q[BankNh*QuadWidth + i*AccBits +: AccBits])),
      .tanh_addr_o(tanh_addr[i]),
      .tanh_data_i(tanh_data[i]),
      .h_prev_i   (act_t'(h_prev10_q[i*ActBits +: ActBits])),
      .h_o        (h_new)
    );
    assign h_wdata_o[i*ActBits +: ActBits] = h_new;
  end

  for (genvar i = 0; i < QuadLanes; i = i + 2) begin : gen_tanh
    activation_rom #(.IsTanh(1)) u_tanh (
      .clk_i,
      .addr_a_i(tanh_addr[i]),   .data_a_o(tanh_data[i]),
      .addr_b_i(tanh_addr[i+1]), .data_b_o(tanh_data[i+1])
    );
  end

  wire [QuadBits-1:0] h_read = tag_q[StageTanh];
  assign h_re_o      = valid_q[StageTanh];
  assign h_vec_o     = h_read[QuadBits-1:1];
  assign h_we_o      = write;
  assign h_quad_o    = tag_q[StageWrite];
  assign out_valid_o = write && to_output_q;
  assign out_last_o  = final_q[StageWrite];

  // h_{t-1} of a quad is read before h_t of it is written.
  `EDGEDRNN_NEVER(HiddenReadAfterWritten, h_re_o && h_we_o && (h_read <= h_quad_o))
  `EDGEDRNN_NEVER(QuadBeforeItsSums, complete && !all_ready_i && (group >= groups_ready_i))
  `EDGEDRNN_NEVER(QuadWithoutRoom, out_reserve_o && !out_room_i)
  `EDGEDRNN_NEVER(GrantUnasked, bank_grant_i && !bank_re_o[BankR])
  `EDGEDRNN_ASSERT(QuadWithinLayer, !issuing_q || (quad_q < quads_q))
  `EDGEDRNN_NEVER(DoneWhileIssuing, done_o && issuing_q)
  `EDGEDRNN_ASSERT(BusyWhileValid, (valid_q == '0) || busy_q)
endmodule

`default_nettype wire
