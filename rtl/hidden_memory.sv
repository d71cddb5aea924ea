// SPDX-License-Identifier: Apache-2.0
// Hidden states of all layers, eight elements a word, in two copies that are written together: one is read by the
// delta encoder, the other by the gates, so that neither waits for the other.
`default_nettype none

module hidden_memory
  import edgedrnn_pkg::*;
#(
  parameter int MaxLayers = 4,
  parameter int MaxUnits  = 1024
) (
  input  logic                 clk_i,

  input  logic                 enc_re_i,
  input  logic [LayerBits-1:0] enc_layer_i,
  input  logic [VecBits-1:0]   enc_vec_i,
  output logic [VecWidth-1:0]  enc_rdata_o,
  input  logic                 enc_clear_i,      // write a vector of zeros there

  input  logic                 gate_re_i,
  input  logic [LayerBits-1:0] gate_layer_i,
  input  logic [VecBits-1:0]   gate_vec_i,
  output logic [VecWidth-1:0]  gate_rdata_o,

  input  logic                 we_i,             // of gate_layer_i; never together with a clear
  input  logic [QuadBits-1:0]  quad_i,
  input  logic [QuadLanes*ActBits-1:0] wdata_i
);
  localparam int VecIndexBits   = $clog2(MaxUnits / VecLanes);
  localparam int LayerIndexBits = (MaxLayers > 1) ? $clog2(MaxLayers) : 1;
  localparam int AddrBits       = LayerIndexBits + VecIndexBits;

  wire [AddrBits-1:0] enc_addr   = {enc_layer_i[LayerIndexBits-1:0], enc_vec_i[VecIndexBits-1:0]};
  wire [AddrBits-1:0] gate_addr  = {gate_layer_i[LayerIndexBits-1:0], gate_vec_i[VecIndexBits-1:0]};
  wire [AddrBits-1:0] write_addr = enc_clear_i ? enc_addr : {gate_layer_i[LayerIndexBits-1:0], quad_i[VecIndexBits:1]};
  wire [1:0]          write_half = enc_clear_i ? 2'b11 : {we_i && quad_i[0], we_i && !quad_i[0]};
  wire [VecWidth-1:0] write_data = enc_clear_i ? '0 : {2{wdata_i}};

  ram_1r1w #(.Width(VecWidth), .Depth(1 << AddrBits), .WriteLanes(2)) u_for_encoder (
    .clk_i,
    .re_i(enc_re_i), .raddr_i(enc_addr), .rdata_o(enc_rdata_o),
    .we_i(write_half), .waddr_i(write_addr), .wdata_i(write_data)
  );

  ram_1r1w #(.Width(VecWidth), .Depth(1 << AddrBits), .WriteLanes(2)) u_for_gates (
    .clk_i,
    .re_i(gate_re_i), .raddr_i(gate_addr), .rdata_o(gate_rdata_o),
    .we_i(write_half), .waddr_i(write_addr), .wdata_i(write_data)
  );
endmodule

`default_nettype wire
