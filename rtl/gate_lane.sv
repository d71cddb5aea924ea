// The arithmetic of one unit's gates, contract steps 4 to 6, as a pipeline without stalls.
//
//   stage 2   q(M) = sat16(rne(M, 7))                 for r, z, nh; M_nx goes along      Q17.15 -> Q8.8
//         3   |q| clipped to the table -> sigma ROM
//         4   9 truncated fraction bits -> rounded to lut_frac, mirrored for q < 0       r, z: 0 ... 256
//         5   r * q(M_nh)
//         6   2 M_nx + r * q(M_nh)                    full width                         Q18.16
//         7   sat16(rne(., 8))                                                           Q8.8
//         8   |.| clipped -> tanh ROM (outside: two lanes share one)
//         9   rounded to lut_frac, mirrored           n: -256 ... 256
//        10   (256 - z) * n   and   z * h_{t-1}
//        11   rne(., 8) + rne(., 8)                                                      Q8.8
//        12   h_t stands at h_o
//
// |h| <= 256 always: it is a blend of n and the last h. h_{t-1} is wanted in stage 10.
module gate_lane
  import edgedrnn_pkg::*;
(
  input  logic        clk_i,
  input  logic [4:0]  half_i,        // 1 << (8 - lut_frac): half a table step, in truncated bits
  input  acc_t        m_r_i,         // stage 2
  input  acc_t        m_z_i,
  input  acc_t        m_nx_i,
  input  acc_t        m_nh_i,
  output logic [9:0]  tanh_addr_o,   // stage 8
  input  logic [8:0]  tanh_data_i,   // stage 9
  input  act_t        h_prev_i,      // stage 10
  output act_t        h_o            // stage 12
);
  localparam int SigmaAddr = 11;

  // q(M): the product of M and 2^-7, rounded half to even, clipped to Q8.8.
  function automatic act_t quantise(input acc_t m);
    logic signed [AccBits:0] sum;
    sum = {m[AccBits-1], m} + 33'sd63 + {32'd0, m[7]};
    return sat16({{10{sum[AccBits]}}, sum[AccBits:7]});
  endfunction

  // floor(2^9 f), lut_frac and the sign of the argument -> 2^8 f rounded to lut_frac bits, f >= 0 part only.
  function automatic logic [SigBits-1:0] round_table(input logic [8:0] truncated, input logic [4:0] half);
    logic [9:0] sum;
    logic [9:0] drop;                // bits below a table step
    sum  = {1'b0, truncated} + {5'd0, half};
    drop = {4'd0, half, 1'b0} - 10'd1;
    sum  = sum & ~drop;
    return sum[9:1];
  endfunction

  // ---- 2 ------------------------------------------------------------------------------------------------------------
  act_t q3_r, q3_z, q3_nh;
  acc_t nx3, nx4, nx5, nx6;
  always_ff @(posedge clk_i) begin
    q3_r  <= quantise(m_r_i);
    q3_z  <= quantise(m_z_i);
    q3_nh <= quantise(m_nh_i);
    nx3   <= m_nx_i;
    nx4   <= nx3;
    nx5   <= nx4;
    nx6   <= nx5;
  end

  // ---- 3, 4: sigma --------------------------------------------------------------------------------------------------
  wire [ActBits-1:0] abs3_r = q3_r[ActBits-1] ? -q3_r : q3_r;
  wire [ActBits-1:0] abs3_z = q3_z[ActBits-1] ? -q3_z : q3_z;
  wire [SigmaAddr-1:0] addr3_r = (|abs3_r[ActBits-1:SigmaAddr]) ? '1 : abs3_r[SigmaAddr-1:0];
  wire [SigmaAddr-1:0] addr3_z = (|abs3_z[ActBits-1:SigmaAddr]) ? '1 : abs3_z[SigmaAddr-1:0];
  logic [8:0] data4_r, data4_z;

  activation_rom #(.IsTanh(0)) u_sigma (
    .clk_i,
    .addr_a_i(addr3_r), .data_a_o(data4_r),
    .addr_b_i(addr3_z), .data_b_o(data4_z)
  );

  logic neg4_r, neg4_z;
  wire [SigBits-1:0] up4_r = round_table(data4_r, half_i);
  wire [SigBits-1:0] up4_z = round_table(data4_z, half_i);
  logic [SigBits-1:0] r5, z5, z6, z7, z8, z9, z10;
  act_t q4_nh, q5_nh;
  always_ff @(posedge clk_i) begin
    neg4_r <= q3_r[ActBits-1];
    neg4_z <= q3_z[ActBits-1];
    q4_nh  <= q3_nh;
    r5     <= neg4_r ? SigBits'(256) - up4_r : up4_r;
    z5     <= neg4_z ? SigBits'(256) - up4_z : up4_z;
    q5_nh  <= q4_nh;
    z6     <= z5;
    z7     <= z6;
    z8     <= z7;
    z9     <= z8;
    z10    <= z9;
  end

  // ---- 5 to 7: the argument of tanh -----------------------------------------------------------------------------------
  localparam int ProdBits = ActBits + SigBits + 1;
  localparam int SumBits  = AccBits + 3;
  wire signed [SigBits:0] r5_signed = {1'b0, r5};
  logic signed [ProdBits-1:0] prod6;
  logic signed [SumBits-1:0]  sum7;
  wire signed [SumBits-1:0]   round7 = sum7 + 35'sd127 + {34'd0, sum7[8]};
  act_t pre8;
  always_ff @(posedge clk_i) begin
    prod6 <= r5_signed * q5_nh;
    sum7  <= {{2{nx6[AccBits-1]}}, nx6, 1'b0} + {{(SumBits-ProdBits){prod6[ProdBits-1]}}, prod6};
    pre8  <= sat16({{9{round7[SumBits-1]}}, round7[SumBits-1:8]});
  end

  // ---- 8, 9: tanh -----------------------------------------------------------------------------------------------------
  wire [ActBits-1:0] abs8 = pre8[ActBits-1] ? -pre8 : pre8;
  assign tanh_addr_o = (|abs8[ActBits-1:10]) ? '1 : abs8[9:0];
  logic neg9;
  wire [SigBits-1:0] up9 = round_table(tanh_data_i, half_i);
  logic signed [TanhBits-1:0] n10;
  always_ff @(posedge clk_i) begin
    neg9 <= pre8[ActBits-1];
    n10  <= neg9 ? -{1'b0, up9} : {1'b0, up9};
  end

  // ---- 10, 11: blend --------------------------------------------------------------------------------------------------
  localparam int NewBits  = SigBits + 1 + TanhBits;
  localparam int KeepBits = SigBits + 1 + ActBits;
  wire signed [SigBits:0] z10_signed = {1'b0, z10};
  wire signed [SigBits:0] zc10_signed = 10'sd256 - z10_signed;
  logic signed [NewBits-1:0]  new11;
  logic signed [KeepBits-1:0] keep11;
  wire signed [NewBits-1:0]  new_up11  = new11 + 20'sd127 + {19'd0, new11[8]};
  wire signed [KeepBits-1:0] keep_up11 = keep11 + 26'sd127 + {25'd0, keep11[8]};
  always_ff @(posedge clk_i) begin
    new11  <= zc10_signed * n10;
    keep11 <= z10_signed * h_prev_i;
    h_o    <= act_t'(ActBits'($signed(new_up11[NewBits-1:8])) + ActBits'($signed(keep_up11[KeepBits-1:8])));
  end
endmodule
