// SPDX-License-Identifier: Apache-2.0
// PE array: P = port width / weight width multipliers and adders, and the delta memories of all layers.
//
//   stage  S0                   S1                         S2                  S3
//          beat and work item   product = delta * weight   bank -> register    M + product -> write
//          meet                 Q8.8 * Q1.7 = Q9.15        (Q17.15, P lanes)   sums wrap modulo 2^32
//                               read M of (layer, group)
//
// Beats of a column come as r, z, n of a group of P units, then the next group: the same word of M is needed again
// after three beats at the earliest, which is when its new value can be read. So no forwarding is needed.
//
// M is four banks (r, z, nx, nh) of P lanes; a beat uses one bank, which leaves the other three to the gates. The
// gates read r, a cycle later z, a cycle later both of n, which is the order in which the sums of a group become
// final: r may be read while the last beat, n, is still in S2. For r and z the PEs go first; a beat that would meet
// the gates at n, which happens only after a pause of the memory, waits a cycle.
//
// Biases (EntryBias) take the same path: 16 beats a group, a quarter of a bank's word each, delta 0, M replaced.
//
// The gates of a layer may start as soon as its last column is the head of the queue; groups_ready_o says how far
// they may go. A column for a layer whose gates are still reading M waits until they have passed its group.
`include "edgedrnn_assert.svh"

`default_nettype none

module pe_array
  import edgedrnn_pkg::*;
#(
  parameter int AxiDataWidth = 64,
  parameter int MaxLayers    = 4,
  parameter int MaxUnits     = 1024,
  parameter int Pes          = AxiDataWidth / WeightBits,
  parameter int WordWidth    = Pes * AccBits
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          flush_i,

  input  logic                          work_valid_i,
  output logic                          work_ready_o,
  input  work_t                         work_i,
  input  logic                          next_closes_i,

  input  logic                          beat_valid_i,
  output logic                          beat_ready_o,
  input  logic [AxiDataWidth-1:0]       beat_data_i,

  output logic                          gate_start_o,
  input  logic                          gate_ready_i,
  output logic [LayerBits-1:0]          gate_layer_o,
  output logic                          all_ready_o,     // every group of the gates' layer may be read
  output logic [SizeBits-1:0]           groups_ready_o,  // else: so many

  input  logic                          gate_busy_i,
  input  logic [LayerBits-1:0]          gate_layer_i,
  input  logic [SizeBits-1:0]           gate_passed_i,   // groups that the gates have read
  input  logic [Banks-1:0]              gate_re_i,       // r is asked for; the others are granted
  output logic                          gate_grant_o,    // r is read in this cycle
  input  logic [Banks*SizeBits-1:0]     gate_group_i,
  output logic [Banks*WordWidth-1:0]    gate_rdata_o,    // a cycle after the read

  output logic                          wanting_o,       // a work item waits for a beat
  output logic                          idle_o
);
  localparam int Groups    = MaxUnits / Pes;
  localparam int GroupBits = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int LayerIndexBits = (MaxLayers > 1) ? $clog2(MaxLayers) : 1;
  localparam int AddrBits  = LayerIndexBits + GroupBits;
  localparam int ProdBits  = ActBits + WeightBits;
  localparam int Quarter   = Pes / 4;

  // ---- S0: meet -----------------------------------------------------------------------------------------------------
  logic [SizeBits-1:0] group_q;
  logic [3:0]          sub_q;           // column: 0 r, 1 z, 2 n; bias: {bank, quarter}
  logic                started_q;       // the gates follow the column at the head

  wire is_end   = work_valid_i && (work_i.op == EntryEnd);
  wire is_bias  = (work_i.op == EntryBias);
  wire is_data  = work_valid_i && (work_i.op != EntryEnd);
  // A column whose layer the gates still read: before each group it waits until they have passed the next one, which
  // is compared a cycle ahead; the first cycle at the head is not. Within a group it must not wait, since its beat of z
  // keeps the gates away.
  logic fresh_q, clear_q;
  wire conflict = gate_busy_i && (gate_layer_i == work_i.layer) && !started_q && (sub_q == 4'd0) && (fresh_q || !clear_q);
  always_ff @(posedge clk_i) begin
    fresh_q <= work_ready_o || !work_valid_i;
    clear_q <= (group_q + 1'b1 < gate_passed_i);
  end

  // Reads take place in S1. The gates that read z now read n then.
  wire yield = !is_bias && (sub_q == 4'd2) && gate_re_i[BankZ];

  assign beat_ready_o = is_data && !conflict && !yield;
  assign wanting_o    = is_data && !conflict && !yield && !beat_valid_i;
  wire   fire         = beat_valid_i && beat_ready_o;
  wire   sub_last     = (sub_q == (is_bias ? 4'd15 : 4'd2));
  wire   item_last    = fire && sub_last && (group_q == work_i.last_group);

  assign gate_start_o = !started_q && ((is_end && work_i.last) || (is_data && !is_bias && next_closes_i));
  assign gate_layer_o = work_i.layer;
  wire   starting     = gate_start_o && gate_ready_i;
  wire   end_pop      = is_end && (!work_i.last || started_q || starting);
  assign work_ready_o = item_last || end_pop;

  logic [Banks-1:0] bank;
  always_comb begin
    bank = '0;
    if (is_bias) begin
      bank[sub_q[3:2]] = 1'b1;
    end else begin
      bank[BankR]  = (sub_q == 4'd0);
      bank[BankZ]  = (sub_q == 4'd1);
      bank[BankNx] = (sub_q == 4'd2) && (work_i.kind == KindX);
      bank[BankNh] = (sub_q == 4'd2) && (work_i.kind == KindH);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      group_q   <= '0;
      sub_q     <= '0;
      started_q <= 1'b0;
    end else begin
      if (fire) begin
        sub_q <= sub_last ? 4'd0 : sub_q + 1'b1;
        if (item_last)     group_q <= '0;
        else if (sub_last) group_q <= group_q + 1'b1;
      end
      if (end_pop && work_i.last) started_q <= 1'b0;
      else if (starting)          started_q <= 1'b1;
    end
  end

  // ---- S1: products, reads of M -------------------------------------------------------------------------------------
  logic                    s1_valid_q, s1_bias_q, s1_closes_q, s1_group_done_q, s1_item_done_q;
  logic [Banks-1:0]        s1_bank_q;
  logic [AddrBits-1:0]     s1_addr_q;
  logic [Pes-1:0]          s1_lanes_q;
  logic [AxiDataWidth-1:0] s1_data_q;
  logic [SizeBits-1:0]     s1_group_q;
  act_t                    s1_delta_q;

  always_ff @(posedge clk_i) begin
    s1_bank_q       <= bank;
    s1_addr_q       <= {work_i.layer[LayerIndexBits-1:0], group_q[GroupBits-1:0]};
    s1_bias_q       <= is_bias;
    s1_data_q       <= beat_data_i;
    s1_delta_q      <= work_i.delta;
    s1_group_q      <= group_q;
    s1_group_done_q <= sub_last;
    s1_item_done_q  <= item_last;
    s1_closes_q     <= item_last && (started_q || starting);
    for (int i = 0; i < Pes; i++) s1_lanes_q[i] <= is_bias ? (sub_q[1:0] == 2'(i / Quarter)) : 1'b1;
  end

  // ---- S2: the words of M; S3: sums ---------------------------------------------------------------------------------
  logic                       s2_valid_q, s2_bias_q, s3_valid_q;
  logic [Banks-1:0]           s2_bank_q, s3_bank_q, s2_read_q;
  logic [AddrBits-1:0]        s2_addr_q, s3_addr_q;
  logic [Pes-1:0]             s2_lanes_q, s3_lanes_q;
  logic [AxiDataWidth-1:0]    s2_data_q, s3_bias_q;
  logic [Pes*ProdBits-1:0]    s2_prod_q, s3_prod_q;
  logic [WordWidth-1:0]       s3_rz_q, s3_n_q, s3_sum;
  logic [Banks*WordWidth-1:0] rdata;

  for (genvar i = 0; i < Pes; i++) begin : gen_pe
    wire signed [WeightBits-1:0] weight = s1_data_q[i*WeightBits +: WeightBits];
    wire signed [ProdBits-1:0]   product = s1_delta_q * weight;
    always_ff @(posedge clk_i) s2_prod_q[i*ProdBits +: ProdBits] <= product;
    wire [AccBits-1:0] extended = {{(AccBits-ProdBits){s3_prod_q[i*ProdBits+ProdBits-1]}},
                                   s3_prod_q[i*ProdBits +: ProdBits]};
    wire [AccBits-1:0] bias = s3_bias_q[(i % Quarter)*AccBits +: AccBits];
    assign s3_sum[i*AccBits +: AccBits] = (s3_rz_q[i*AccBits +: AccBits] | s3_n_q[i*AccBits +: AccBits] | bias) + extended;
  end

  // Three registers for the word, of which two are 0: banks are slow and far apart.
  wire [WordWidth-1:0] s2_rz = (rdata[BankR *WordWidth +: WordWidth] & {WordWidth{s2_read_q[BankR]}})
                             | (rdata[BankZ *WordWidth +: WordWidth] & {WordWidth{s2_read_q[BankZ]}});
  wire [WordWidth-1:0] s2_n  = (rdata[BankNx*WordWidth +: WordWidth] & {WordWidth{s2_read_q[BankNx]}})
                             | (rdata[BankNh*WordWidth +: WordWidth] & {WordWidth{s2_read_q[BankNh]}});

  always_ff @(posedge clk_i) begin
    s2_bank_q  <= s1_bank_q;
    s2_read_q  <= s1_bias_q ? '0 : s1_bank_q;
    s2_addr_q  <= s1_addr_q;
    s2_lanes_q <= s1_lanes_q;
    s2_bias_q  <= s1_bias_q;
    s2_data_q  <= s1_data_q;
    s3_bank_q  <= s2_bank_q;
    s3_addr_q  <= s2_addr_q;
    s3_lanes_q <= s2_lanes_q;
    s3_prod_q  <= s2_prod_q;
    s3_rz_q    <= s2_rz;
    s3_n_q     <= s2_n;
    s3_bias_q  <= s2_bias_q ? s2_data_q : '0;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      s1_valid_q <= 1'b0;
      s2_valid_q <= 1'b0;
      s3_valid_q <= 1'b0;
    end else begin
      s1_valid_q <= fire;
      s2_valid_q <= s1_valid_q;
      s3_valid_q <= s2_valid_q;
    end
  end

  // ---- The banks ------------------------------------------------------------------------------------------------------
  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    wire pe_reads = s1_valid_q && s1_bank_q[b] && !s1_bias_q;
    wire [AddrBits-1:0] gate_addr = {gate_layer_i[LayerIndexBits-1:0], gate_group_i[b*SizeBits +: GroupBits]};

    ram_1r1w #(
      .Width(WordWidth), .Depth(1 << AddrBits), .WriteLanes(Pes)
    ) u_delta_memory (
      .clk_i,
      .re_i   (s1_valid_q || gate_busy_i),
      .raddr_i(pe_reads ? s1_addr_q : gate_addr),
      .rdata_o(rdata[b*WordWidth +: WordWidth]),
      .we_i   (s3_lanes_q & {Pes{s3_valid_q && s3_bank_q[b]}}),
      .waddr_i(s3_addr_q),
      .wdata_i(s3_sum)
    );

    // The conflicts that docs/architecture.md excludes. The gates read r when they are granted it, the others at once.
    `EDGEDRNN_NEVER(TwoReadOneBank, pe_reads && ((b == BankR) ? gate_grant_o : gate_re_i[b]))
    `EDGEDRNN_NEVER(GatesReadWhatIsWritten, ((b == BankR) ? gate_grant_o : gate_re_i[b]) && s3_valid_q && s3_bank_q[b]
                    && (s3_addr_q == gate_addr))
    `EDGEDRNN_NEVER(PesReadWhatIsWritten, pe_reads && s3_valid_q && s3_bank_q[b] && (s3_addr_q == s1_addr_q))
  end
  // A beat of z in S0 will be read in the cycle in which the gates would read theirs, and a beat of n that waits for
  // the gates once shall not wait for their next quad too.
  assign gate_grant_o = gate_re_i[BankR] && !(s1_valid_q && s1_bank_q[BankR] && !s1_bias_q)
                     && !(is_data && !is_bias && beat_valid_i && ((sub_q == 4'd1) || yield));
  assign gate_rdata_o = rdata;

  // ---- How far the gates may go ---------------------------------------------------------------------------------------
  logic [SizeBits-1:0] done_q;          // groups of the column at the head, or just gone, whose last beat has left S1
  logic                all_ready_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      done_q      <= '0;
      all_ready_q <= 1'b0;
    end else begin
      if (s1_valid_q && s1_item_done_q)       done_q <= '0;
      else if (s1_valid_q && s1_group_done_q) done_q <= s1_group_q + 1'b1;
      if ((s1_valid_q && s1_closes_q) || (end_pop && work_i.last)) all_ready_q <= 1'b1;
      else if (starting)                                           all_ready_q <= 1'b0;
    end
  end

  assign all_ready_o    = all_ready_q;
  assign groups_ready_o = started_q ? done_q : '0;
  assign idle_o         = !work_valid_i && !s1_valid_q && !s2_valid_q && !s3_valid_q;

  // A column of a layer whose gates still read: they have passed the group. The column that they follow is their own.
  `EDGEDRNN_NEVER(ColumnOvertakesGates, fire && gate_busy_i && (gate_layer_i == work_i.layer) && !started_q
                  && (group_q >= gate_passed_i))
  `EDGEDRNN_NEVER(PopWhenEmpty, work_ready_o && !work_valid_i)
  `EDGEDRNN_NEVER(BeatWithoutWork, beat_ready_o && !work_valid_i)
  `EDGEDRNN_ASSERT(OneBankABeat, !s1_valid_q || $onehot(s1_bank_q))
  `EDGEDRNN_ASSERT(GroupWithinLayer, !fire || (group_q <= work_i.last_group))
  `EDGEDRNN_STABLE(GateStartStable, gate_start_o, gate_ready_i, gate_layer_o, flush_i)
endmodule

`default_nettype wire
