// SPDX-License-Identifier: Apache-2.0
// Half of sigma or tanh as a two-port ROM: floor(2^9 f(k / 2^8)) for k = 0, 1, ... 2^AddrBits - 1.
//
// Nine truncated fraction bits are enough to round f to any lut_frac F of 4 ... 8 later on, since
// round(2^F f) = (floor(2^(F+1) f) + 1) >> 1 and floor(2^(F+1) f) is a prefix of what is stored
// (sigma and tanh of a nonzero rational are irrational: there are no ties to break).
// Past the end of the table f rounds to 1 for every F, as the last entry already does.
//
// The table is computed when the design is elaborated, in integers of 64 fraction bits: e^(-k/2^8) by
// repeated multiplication, then one division an entry. No file, no list of values.
`default_nettype none

module activation_rom #(
  parameter int IsTanh   = 0,
  parameter int AddrBits = (IsTanh != 0) ? 10 : 11
) (
  input  logic                clk_i,
  input  logic [AddrBits-1:0] addr_a_i,
  output logic [8:0]          data_a_o,
  input  logic [AddrBits-1:0] addr_b_i,
  output logic [8:0]          data_b_o
);
  localparam int Depth = 1 << AddrBits;
  // sigma(k) >= 1/2 for k >= 0: its top bit is always 1 and is not stored, so 2048 entries fit one RAMB18.
  localparam int Stored = (IsTanh != 0) ? 9 : 8;

  localparam logic [159:0] One = 160'd1 << 64;
  // e^(-1/256) and e^(-2/256), times 2^64, rounded.
  localparam logic [159:0] Step = (IsTanh != 0) ? 160'h0fe01feab551127cc : 160'h0ff007fd55ffdde39;

  logic [Stored-1:0] rom [Depth];

  logic [159:0] decay, value;  // only while the table is made
  initial begin
    decay = One;
    for (int k = 0; k < Depth; k++) begin
      value = (IsTanh != 0) ? (((One - decay) << 9) / (One + decay)) : ((One << 9) / (One + decay));
      rom[k] = value[Stored-1:0];
      decay = (decay * Step + (One >> 1)) >> 64;
    end
  end

  logic [Stored-1:0] word_a_q, word_b_q;
  always_ff @(posedge clk_i) begin
    word_a_q <= rom[addr_a_i];
    word_b_q <= rom[addr_b_i];
  end

  if (IsTanh != 0) begin : gen_tanh
    assign data_a_o = word_a_q;
    assign data_b_o = word_b_q;
  end else begin : gen_sigma
    assign data_a_o = {1'b1, word_a_q};
    assign data_b_o = {1'b1, word_b_q};
  end
endmodule

`default_nettype wire
