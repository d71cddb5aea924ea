// SPDX-License-Identifier: Apache-2.0
// Several gate lanes side by side with the tanh ROMs they share, as in gate_pipeline. All inputs are those of stage 2;
// what is wanted later is delayed to its stage here. h_o belongs to the inputs of ten cycles before.
`default_nettype none

module gate_lane_bench
  import edgedrnn_pkg::*;
#(
  parameter int Lanes = 16
) (
  input  logic                     clk_i,
  input  logic [4:0]               half_i,
  input  logic [Lanes*AccBits-1:0] m_r_i,
  input  logic [Lanes*AccBits-1:0] m_z_i,
  input  logic [Lanes*AccBits-1:0] m_nx_i,
  input  logic [Lanes*AccBits-1:0] m_nh_i,
  input  logic [Lanes*ActBits-1:0] h_prev_i,
  output logic [Lanes*ActBits-1:0] h_o
);
  localparam int Delay = 8;            // stage 2 to stage 10

  logic [Lanes*ActBits-1:0] h_prev_q [Delay];
  always_ff @(posedge clk_i) begin
    h_prev_q[0] <= h_prev_i;
    for (int k = 1; k < Delay; k++) h_prev_q[k] <= h_prev_q[k-1];
  end

  logic [Lanes*AccBits-1:0] m3_z, m3_nx, m4_nx, m3_nh, m4_nh;
  always_ff @(posedge clk_i) begin
    m3_z  <= m_z_i;
    m3_nx <= m_nx_i;
    m4_nx <= m3_nx;
    m3_nh <= m_nh_i;
    m4_nh <= m3_nh;
  end

  logic [9:0] tanh_addr [Lanes];
  logic [8:0] tanh_data [Lanes];

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    wire [ActBits-1:0] h_prev = h_prev_q[Delay-1][i*ActBits +: ActBits];
    act_t h_new;
    gate_lane u_lane (
      .clk_i,
      .half_i,
      .m_r_i      (acc_t'(m_r_i [i*AccBits +: AccBits])),
      .m_z_i      (acc_t'(m3_z  [i*AccBits +: AccBits])),
      .m_nx_i     (acc_t'(m4_nx [i*AccBits +: AccBits])),
      .m_nh_i     (acc_t'(m4_nh [i*AccBits +: AccBits])),
      .tanh_addr_o(tanh_addr[i]),
      .tanh_data_i(tanh_data[i]),
      .h_prev_i   (act_t'(h_prev)),
      .h_o        (h_new)
    );
    assign h_o[i*ActBits +: ActBits] = h_new;
  end

  for (genvar i = 0; i < Lanes; i = i + 2) begin : gen_tanh
    activation_rom #(.IsTanh(1)) u_tanh (
      .clk_i,
      .addr_a_i(tanh_addr[i]),   .data_a_o(tanh_data[i]),
      .addr_b_i(tanh_addr[i+1]), .data_b_o(tanh_data[i+1])
    );
  end
endmodule

`default_nettype wire
