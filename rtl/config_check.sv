// SPDX-License-Identifier: Apache-2.0
// Checks the configuration when a sequence is started: counts, sizes, chaining of layers, alignment and end of each
// region. Takes about 20 cycles a region; one small multiplier by shift and add serves all.
`include "edgedrnn_assert.svh"

`default_nettype none

module config_check
  import edgedrnn_pkg::*;
  import edgedrnn_reg_pkg::*;
#(
  parameter int AxiDataWidth = 64,
  parameter int AxiAddrWidth = 32,
  parameter int MaxLayers    = 4,
  parameter int MaxUnits     = 1024
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              flush_i,
  input  logic                              start_i,

  input  logic [3:0]                        num_layers_i,
  input  logic [3:0]                        lut_frac_i,
  input  logic [MaxLayers*SizeBits-1:0]     input_size_i,
  input  logic [MaxLayers*SizeBits-1:0]     hidden_size_i,
  input  logic [MaxLayers*SizeBits-1:0]     groups_i,
  input  logic [MaxLayers*32-1:0]           addr_wx_i,
  input  logic [MaxLayers*32-1:0]           addr_wh_i,
  input  logic [MaxLayers*32-1:0]           addr_bias_i,

  output logic                              done_o,     // with cause_o == ErrNone: all is well
  output logic [7:0]                        cause_o,
  output logic [LayerBits-1:0]              layer_o,
  output region_e                           region_o
);
  localparam int BeatShift = $clog2(AxiDataWidth / 8);
  localparam int SpanBits  = SizeBits + 13;

  typedef enum logic [3:0] { StIdle, StCounts, StLayer, StSizes, StRegion, StAlign, StSpan, StEnd, StRange, StDone } state_e;
  state_e               state_q;
  logic [LayerBits-1:0] layer_q;
  region_e              region_q;
  logic [7:0]           cause_q;
  logic [SpanBits-1:0]  span_q;        // beats of the region
  logic [SizeBits-1:0]  bits_q;        // multiplier, consumed from the top
  logic [3:0]           bit_q;

  // What layer_q and region_q point at, a cycle later.
  logic [SizeBits-1:0] inputs, units, groups;
  logic [31:0]         base;
  always_ff @(posedge clk_i) begin
    inputs <= input_size_i [layer_q*SizeBits +: SizeBits];
    units  <= hidden_size_i[layer_q*SizeBits +: SizeBits];
    groups <= groups_i     [layer_q*SizeBits +: SizeBits];
    case (region_q)
      RegionWx: base <= addr_wx_i  [layer_q*32 +: 32];
      RegionWh: base <= addr_wh_i  [layer_q*32 +: 32];
      default:  base <= addr_bias_i[layer_q*32 +: 32];
    endcase
  end

  logic [SizeBits-1:0] units_below_q;  // of the layer below
  wire sizes_bad = (inputs == '0) || (inputs > SizeBits'(MaxUnits))
                || (units < SizeBits'(MinHidden)) || (units > SizeBits'(MaxUnits)) || (units[2:0] != '0)
                || (layer_q != '0 && inputs != units_below_q);

  wire misaligned = (base[BeatShift-1:0] != '0);
  wire [SpanBits-1:0] stride = (region_q == RegionBias) ? SpanBits'(groups) : (SpanBits'(groups) << 1) + SpanBits'(groups);
  logic [39:0] region_end;
  always_ff @(posedge clk_i) region_end <= {8'd0, base} + (40'(span_q) << BeatShift);
  wire beyond = (region_end > (40'd1 << AxiAddrWidth));
  wire last_layer = ({1'b0, layer_q} + 1'b1 == num_layers_i);

  assign done_o   = (state_q == StDone);
  assign cause_o  = cause_q;
  assign layer_o  = layer_q;
  assign region_o = region_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      state_q <= StIdle;
      cause_q <= ErrNone;
    end else begin
      case (state_q)
        StIdle: if (start_i) begin
          layer_q  <= '0;
          region_q <= RegionWx;
          cause_q  <= ErrNone;
          state_q  <= StCounts;
        end
        StCounts: begin
          if (num_layers_i == '0 || num_layers_i > 4'(MaxLayers)
              || lut_frac_i < 4'(LutFracMin) || lut_frac_i > 4'(LutFracMax)) begin
            cause_q <= ErrCfgLayers;
            state_q <= StDone;
          end else begin
            state_q <= StLayer;
          end
        end
        StLayer: state_q <= StSizes;
        StSizes: begin
          units_below_q <= units;
          region_q      <= RegionWx;
          if (sizes_bad) begin
            cause_q <= ErrCfgSize;
            state_q <= StDone;
          end else begin
            state_q <= StRegion;
          end
        end
        StRegion: state_q <= StAlign;
        StAlign: begin
          span_q <= '0;
          bit_q  <= 4'(SizeBits);
          bits_q <= (region_q == RegionWx) ? inputs : (region_q == RegionWh) ? units : SizeBits'(16);
          if (misaligned) begin
            cause_q <= ErrCfgAlign;
            state_q <= StDone;
          end else begin
            state_q <= StSpan;
          end
        end
        StSpan: begin
          span_q <= (span_q << 1) + (bits_q[SizeBits-1] ? stride : '0);
          bits_q <= bits_q << 1;
          bit_q  <= bit_q - 1'b1;
          if (bit_q == 4'd1) state_q <= StEnd;
        end
        StEnd: state_q <= StRange;
        StRange: begin
          if (beyond) begin
            cause_q <= ErrCfgRange;
            state_q <= StDone;
          end else if (region_q != RegionBias) begin
            region_q <= (region_q == RegionWx) ? RegionWh : RegionBias;
            state_q  <= StRegion;
          end else if (!last_layer) begin
            layer_q <= layer_q + 1'b1;
            state_q <= StLayer;
          end else begin
            state_q <= StDone;
          end
        end
        default: state_q <= StIdle;   // StDone lasts one cycle
      endcase
    end
  end

  `EDGEDRNN_ASSERT(StateIsLegal, state_q <= StDone)
  `EDGEDRNN_ASSERT(RegionIsLegal, (state_q == StIdle) || (region_q <= RegionBias))
  `EDGEDRNN_ASSERT(BitWithinSize, (state_q != StSpan) || (bit_q != '0 && int'(bit_q) <= SizeBits))
endmodule

`default_nettype wire
