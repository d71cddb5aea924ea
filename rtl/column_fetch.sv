// SPDX-License-Identifier: Apache-2.0
// Column fetch: turns entries into requests for consecutive beats of DRAM, and tells the PEs, in the same order,
// what the beats will be.
// entry_layer_i must be that of the next column at least a cycle before it.
//
//   cycle  0          1                            2                          3
//          capture -> index * beats of a column -> region base + offset    -> request to the burst reader,
//                                                                             entry to the PEs' work queue
`include "edgedrnn_assert.svh"

`default_nettype none

module column_fetch
  import edgedrnn_pkg::*;
#(
  parameter int AxiDataWidth = 64,
  parameter int AxiAddrWidth = 32,
  parameter int MaxLayers    = 4
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    flush_i,

  input  logic [MaxLayers*SizeBits-1:0]     groups_i,     // groups of P units, per layer
  input  logic [MaxLayers*AxiAddrWidth-1:0] addr_wx_i,
  input  logic [MaxLayers*AxiAddrWidth-1:0] addr_wh_i,
  input  logic [MaxLayers*AxiAddrWidth-1:0] addr_bias_i,

  input  logic                    entry_valid_i,
  output logic                    entry_ready_o,
  input  entry_e                  entry_type_i,
  input  logic [LayerBits-1:0]    entry_layer_i,
  input  logic                    entry_kind_i,
  input  logic                    entry_last_i,
  input  logic                    entry_undo_i,
  input  logic [UnitBits-1:0]     entry_index_i,
  input  act_t                    entry_delta_i,

  output logic                    burst_valid_o,
  input  logic                    burst_ready_i,
  output logic [AxiAddrWidth-1:0] burst_addr_o,
  output logic [FetchBits-1:0]    burst_beats_o,

  output logic                    work_valid_o,
  input  logic                    work_ready_i,
  output entry_e                  work_type_o,
  output logic [LayerBits-1:0]    work_layer_o,
  output logic                    work_kind_o,
  output logic                    work_last_o,
  output act_t                    work_delta_o,
  output logic [SizeBits-1:0]     work_last_group_o,  // groups of the layer, less one

  output logic                    column_o,     // a column leaves in this cycle (work_layer_o, work_kind_o)
  output logic                    undo_o,       // it, or the end, belongs to a PassUndo
  output logic                    idle_o
);
  localparam int BeatShift  = $clog2(AxiDataWidth / 8);
  localparam int ColumnBits = SizeBits + 2;       // beats of a column: 3 groups

  // ---- 0: capture -------------------------------------------------------------------------------------------------
  // The layer of a pass stands at entry_layer_i long before its first column.
  localparam int EntryBits = 2 + LayerBits + 3 + UnitBits + ActBits + ColumnBits;
  wire  [SizeBits-1:0]   entry_groups = groups_i[entry_layer_i*SizeBits +: SizeBits];
  logic [ColumnBits-1:0] entry_beats_q, beats0;
  always_ff @(posedge clk_i) entry_beats_q <= {1'b0, entry_groups, 1'b0} + {2'b0, entry_groups};

  logic                 v0, ready1, kind0, last0, undo0;
  logic [1:0]           bits0;
  logic [LayerBits-1:0] layer0;
  logic [UnitBits-1:0]  index0;
  logic [ActBits-1:0]   delta0;

  stream_register #(.Width(EntryBits)) u_capture (
    .clk_i, .rst_ni, .flush_i,
    .in_valid_i (entry_valid_i),
    .in_ready_o (entry_ready_o),
    .in_data_i  ({entry_type_i, entry_layer_i, entry_kind_i, entry_last_i, entry_undo_i, entry_index_i, entry_delta_i,
                   entry_beats_q}),
    .out_valid_o(v0),
    .out_ready_i(ready1),
    .out_data_o ({bits0, layer0, kind0, last0, undo0, index0, delta0, beats0})
  );
  // Icarus 11 knows no cast to an enum: its values are told apart by their bits.
  wire is_bias0 = (bits0 == EntryBias);

  // ---- 1: multiply ------------------------------------------------------------------------------------------------
  wire [SizeBits-1:0] groups = groups_i[layer0*SizeBits +: SizeBits];

  logic                           v1_q, v2_q;
  entry_e                         type1_q, type2_q;
  logic [LayerBits-1:0]           layer1_q, layer2_q;
  logic                           kind1_q, kind2_q, last1_q, last2_q, undo1_q, undo2_q;
  act_t                           delta1_q, delta2_q;
  logic [UnitBits-1:0]            index1_q, index2_q;
  logic [UnitBits+ColumnBits-1:0] offset1_q;
  logic [FetchBits-1:0]           beats1_q, beats2_q;
  logic [SizeBits-1:0]            last_group1_q, last_group2_q;
  logic [AxiAddrWidth-1:0]        addr2_q;

  wire ready2 = !v2_q || ((type2_q == EntryEnd || burst_ready_i) && work_ready_i);
  assign ready1 = !v1_q || ready2;

  // ---- 2: address -------------------------------------------------------------------------------------------------
  wire [AxiAddrWidth-1:0] base =
      (type1_q == EntryBias) ? addr_bias_i[layer1_q*AxiAddrWidth +: AxiAddrWidth]
    : (kind1_q == KindH)     ? addr_wh_i  [layer1_q*AxiAddrWidth +: AxiAddrWidth]
                             : addr_wx_i  [layer1_q*AxiAddrWidth +: AxiAddrWidth];
  wire [AxiAddrWidth-1:0] offset_bytes = AxiAddrWidth'(offset1_q) << BeatShift;

  always_ff @(posedge clk_i) begin
    if (v0 && ready1) begin
      type1_q   <= is_bias0 ? EntryBias : (bits0 == EntryEnd) ? EntryEnd : EntryColumn;
      layer1_q  <= layer0;
      kind1_q   <= kind0;
      last1_q   <= last0;
      undo1_q   <= undo0;
      delta1_q  <= act_t'(delta0);
      index1_q  <= index0;
      last_group1_q <= groups - 1'b1;
      offset1_q <= is_bias0 ? '0 : index0 * beats0;
      beats1_q  <= is_bias0 ? FetchBits'({groups, 4'd0}) : beats0;
    end
    if (v1_q && ready2) begin
      type2_q  <= type1_q;
      layer2_q <= layer1_q;
      kind2_q  <= kind1_q;
      last2_q  <= last1_q;
      undo2_q  <= undo1_q;
      delta2_q <= delta1_q;
      index2_q <= index1_q;
      last_group2_q <= last_group1_q;
      beats2_q <= beats1_q;
      addr2_q  <= base + offset_bytes;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      v1_q <= 1'b0;
      v2_q <= 1'b0;
    end else begin
      if (ready1) v1_q <= v0;
      if (ready2) v2_q <= v1_q;
    end
  end

  // ---- 3: hand over; both sides take it in the same cycle -----------------------------------------------------------
  assign burst_valid_o = v2_q && (type2_q != EntryEnd) && work_ready_i;
  assign burst_addr_o  = addr2_q;
  assign burst_beats_o = beats2_q;
  assign work_valid_o  = v2_q && (type2_q == EntryEnd || burst_ready_i);
  assign work_type_o   = type2_q;
  assign work_layer_o  = layer2_q;
  assign work_kind_o   = kind2_q;
  assign work_last_o   = last2_q;
  assign work_delta_o  = (type2_q == EntryColumn) ? delta2_q : '0;  // biases pass through the adders unchanged
  assign work_last_group_o = last_group2_q;
  assign column_o      = work_valid_o && work_ready_i && (type2_q == EntryColumn);
  assign undo_o        = undo2_q;
  assign idle_o        = !v0 && !v1_q && !v2_q;

  // Kept for the waveform: which column is being asked for.
  logic [UnitBits-1:0] unused_index;
  assign unused_index = index2_q;

  // Each valid at the outputs follows the ready of the other: that they are stable is asserted in edgedrnn.sv.
  `EDGEDRNN_STABLE(RequestStable, v2_q, ready2, {type2_q, layer2_q, kind2_q, last2_q, undo2_q, delta2_q, index2_q,
                   last_group2_q, beats2_q, addr2_q}, flush_i)
  `EDGEDRNN_ASSERT(BurstAndWorkTogether, (burst_valid_o && burst_ready_i)
                   == (work_valid_o && work_ready_i && (work_type_o != EntryEnd)))
  `EDGEDRNN_NEVER(BurstOfNothing, burst_valid_o && (burst_beats_o == '0))
  `EDGEDRNN_NEVER(LayerShownTooLate, entry_valid_i && (entry_type_i == EntryColumn)
                  && (entry_layer_i != $past(entry_layer_i)))
endmodule

`default_nettype wire
