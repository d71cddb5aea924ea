// SPDX-License-Identifier: Apache-2.0
// The arithmetic of one unit's gates, contract steps 4 to 6, as a pipeline without stalls.
//
//   stage   r path                           z path               n path
//     2     q(M) = sat16(rne(M, 7))                                                              Q17.15 -> Q8.8
//     3     |q| clipped -> sigma ROM         q(M)
//     4     truncated -> rounded             sigma ROM            q(M_nh); M_nx goes along
//     5     up = sigma(|q|)                  (the ROM is slow)    up * q(M_nh)
//                                                                 2 M_nx, and 256 q(M_nh) if r is mirrored
//     6                                      rounded              2 M_nx + r q(M_nh), full width Q18.16
//     7                                      mirrored             sat16(rne(., 8))               Q8.8
//     8                                                           |.| clipped -> tanh ROM (outside: lanes share one)
//     9                                                           rounded: |n|, 0 ... 256
//    10     (256 - z) * |n|   and   z * h_{t-1}
//    11     rne(., 8) with the sign of n  +  rne(., 8)                                           Q8.8
//    12     h_t is at h_o
//
// The tables hold arguments >= 0. sigma(-a) = 256 - sigma(a), so r q is up q or 256 q - up q; tanh is odd, and so is
// rounding half to even, so its sign waits until the last addition. |h| <= 256 always: it is a blend of n and h_{t-1}.
`default_nettype none

module gate_lane
  import edgedrnn_pkg::*;
(
  input  logic        clk_i,
  input  logic [4:0]  half_i,        // 1 << (8 - lut_frac): half a table step, in truncated bits
  input  acc_t        m_r_i,         // stage 2
  input  acc_t        m_z_i,         // stage 3
  input  acc_t        m_nx_i,        // stage 4
  input  acc_t        m_nh_i,        // stage 4
  output logic [9:0]  tanh_addr_o,   // stage 8
  input  logic [8:0]  tanh_data_i,   // stage 9
  input  act_t        h_prev_i,      // stage 10
  output act_t        h_o            // stage 12
);
  localparam int SigmaAddr = 11;
  localparam int TanhAddr  = 10;

  // q(M): the product of M and 2^-7, rounded half to even, clipped to Q8.8.
  function automatic act_t quantise(input acc_t m);
    logic signed [AccBits:0] sum;
    sum = {m[AccBits-1], m} + 33'sd63 + {32'd0, m[7]};
    return sat16({{10{sum[AccBits]}}, sum[AccBits:7]});
  endfunction

  // floor(2^9 f) -> 2^8 f rounded to lut_frac bits, in two parts: half a table step is added behind the ROM, the bits
  // below a step are dropped a stage later, since the ROM is slow.
  function automatic logic [SigBits-1:0] add_half(input logic [8:0] truncated, input logic [4:0] half);
    return SigBits'(({1'b0, truncated} + {5'd0, half}) >> 1);
  endfunction
  // The top bit of sigma's entries is always 1: only the others are added to, and bit 7 of the sum says that it carried.
  function automatic logic [7:0] add_half_sigma(input logic [7:0] truncated, input logic [4:0] half);
    return 8'(({1'b0, truncated} + {4'd0, half}) >> 1);
  endfunction

  // Constant while a sequence runs; a copy in each lane, close to where it is used.
  logic [4:0] half_q;
  logic [3:0] drop_q;
  always_ff @(posedge clk_i) begin
    half_q <= half_i;
    drop_q <= 4'(half_i - 1'b1);
  end
  wire [SigBits-1:0] keep = {5'h1f, ~drop_q};

  // Place of |a| in the table of sigma, past its end: the last entry. Only as many bits are negated as there are.
  function automatic logic [SigmaAddr-1:0] sigma_place(input act_t a);
    logic beyond;
    beyond = a[ActBits-1] ? (a[ActBits-1:SigmaAddr] != '1) || (a[SigmaAddr-1:0] == '0) : (a[ActBits-1:SigmaAddr] != '0);
    return beyond ? '1 : a[ActBits-1] ? -a[SigmaAddr-1:0] : a[SigmaAddr-1:0];
  endfunction
  function automatic logic [TanhAddr-1:0] tanh_place(input act_t a);
    logic beyond;
    beyond = a[ActBits-1] ? (a[ActBits-1:TanhAddr] != '1) || (a[TanhAddr-1:0] == '0) : (a[ActBits-1:TanhAddr] != '0);
    return beyond ? '1 : a[ActBits-1] ? -a[TanhAddr-1:0] : a[TanhAddr-1:0];
  endfunction

  // ---- 2 to 5: r, and z a stage later ---------------------------------------------------------------------------------
  act_t q3_r, q4_z;
  always_ff @(posedge clk_i) begin
    q3_r <= quantise(m_r_i);
    q4_z <= quantise(m_z_i);
  end

  wire [SigmaAddr-1:0] addr3_r = sigma_place(q3_r);
  wire [SigmaAddr-1:0] addr4_z = sigma_place(q4_z);
  logic [8:0] data4_r, data5_z;

  activation_rom #(.IsTanh(0)) u_sigma (
    .clk_i,
    .addr_a_i(addr3_r), .data_a_o(data4_r),
    .addr_b_i(addr4_z), .data_b_o(data5_z)
  );

  logic neg4_r, neg5_r, neg6_r, neg5_z, neg6_z, neg7_z;
  logic [7:0] data6_z;
  logic [7:0] sum5_r, sum7_z;
  logic [SigBits-1:0] z8, z9, z10, zc10;   // zc: 256 - z
  wire  [SigBits-1:0] up5_r = {sum5_r[7], !sum5_r[7], sum5_r[6:0]} & keep;
  wire  [SigBits-1:0] up7_z = {sum7_z[7], !sum7_z[7], sum7_z[6:0]} & keep;
  always_ff @(posedge clk_i) begin
    neg4_r <= q3_r[ActBits-1];
    neg5_r <= neg4_r;
    neg6_r <= neg5_r;
    sum5_r <= add_half_sigma(data4_r[7:0], half_q);
    neg5_z <= q4_z[ActBits-1];
    neg6_z <= neg5_z;
    data6_z <= data5_z[7:0];
    neg7_z <= neg6_z;
    sum7_z <= add_half_sigma(data6_z, half_q);
    z8     <= neg7_z ? SigBits'(256) - up7_z : up7_z;
    z9     <= z8;
    z10    <= z9;
    zc10 <= SigBits'(256) - z9;
  end

  // ---- 4 to 7: the argument of tanh -----------------------------------------------------------------------------------
  localparam int ProdBits = ActBits + SigBits + 1;
  localparam int SumBits  = AccBits + 3;
  act_t q5_nh;
  acc_t nx5;
  wire signed [SigBits:0]     up5_signed = {1'b0, up5_r};
  wire signed [SumBits-1:0]   double5    = {{2{nx5[AccBits-1]}}, nx5, 1'b0};
  wire signed [SumBits-1:0]   whole5     = {{(SumBits-ActBits-8){q5_nh[ActBits-1]}}, q5_nh, 8'd0};
  logic signed [ProdBits-1:0] prod6;
  logic signed [SumBits-1:0]  base6, sum7;
  wire signed [SumBits-1:0]   wide6  = {{(SumBits-ProdBits){prod6[ProdBits-1]}}, prod6};
  wire signed [SumBits-1:0]   round7 = sum7 + 35'sd127 + {34'd0, sum7[8]};
  act_t pre8;
  always_ff @(posedge clk_i) begin
    q5_nh <= quantise(m_nh_i);
    nx5   <= m_nx_i;
    prod6 <= up5_signed * q5_nh;
    base6 <= neg5_r ? double5 + whole5 : double5;
    sum7  <= neg6_r ? base6 - wide6 : base6 + wide6;
    pre8  <= sat16({{9{round7[SumBits-1]}}, round7[SumBits-1:8]});
  end

  // ---- 8, 9: tanh -----------------------------------------------------------------------------------------------------
  assign tanh_addr_o = tanh_place(pre8);
  logic neg9, neg10, neg11;
  logic [SigBits-1:0] sum10;
  wire  [SigBits-1:0] up10 = sum10 & keep;
  always_ff @(posedge clk_i) begin
    neg9  <= pre8[ActBits-1];
    neg10 <= neg9;
    neg11 <= neg10;
    sum10 <= add_half(tanh_data_i, half_q);
  end

  // ---- 10, 11: blend --------------------------------------------------------------------------------------------------
  localparam int NewBits  = 2 * SigBits;
  localparam int KeepBits = SigBits + 1 + ActBits;
  wire signed [SigBits:0] z10_signed = {1'b0, z10};
  logic        [NewBits-1:0]  new11;
  logic signed [KeepBits-1:0] keep11;
  wire         [NewBits-1:0]  new_up11  = new11 + 18'd127 + {17'd0, new11[8]};
  wire signed  [KeepBits-1:0] keep_up11 = keep11 + 26'sd127 + {25'd0, keep11[8]};
  wire         [ActBits-1:0]  new_part  = ActBits'(new_up11[NewBits-1:8]);
  wire         [ActBits-1:0]  keep_part = ActBits'($signed(keep_up11[KeepBits-1:8]));
  always_ff @(posedge clk_i) begin
    new11  <= zc10 * up10;
    keep11 <= z10_signed * h_prev_i;
    h_o    <= act_t'(neg11 ? keep_part - new_part : keep_part + new_part);
  end

  // What a waveform wants to show: the gates' outputs as the contract has them.
  wire        [SigBits-1:0]  r5  = neg5_r ? SigBits'(256) - up5_r : up5_r;
  wire signed [TanhBits-1:0] n10 = neg10 ? -{1'b0, up10} : {1'b0, up10};
  wire unused = ^{r5, n10, data4_r[8], data5_z[8]};
endmodule

`default_nettype wire
