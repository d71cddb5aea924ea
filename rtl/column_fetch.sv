// SPDX-License-Identifier: Apache-2.0
// Column fetch: turns entries into requests for consecutive beats of DRAM, and tells the PEs, in the same order,
// what the beats will be.
// entry_i.layer must be that of the next column at least a cycle before it.
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
  input  entry_t                  entry_i,

  output logic                    burst_valid_o,
  input  logic                    burst_ready_i,
  output logic [AxiAddrWidth-1:0] burst_addr_o,
  output logic [FetchBits-1:0]    burst_beats_o,

  output logic                    work_valid_o,
  input  logic                    work_ready_i,
  output work_t                   work_o,

  output logic                    column_o,     // a column leaves in this cycle (work_o.layer, work_o.kind)
  output logic                    undo_o,       // it, or the end, belongs to a PassUndo
  output logic                    idle_o
);
  localparam int BeatShift  = $clog2(AxiDataWidth / 8);
  localparam int ColumnBits = SizeBits + 2;       // beats of a column: 3 groups

  // ---- 0: capture -------------------------------------------------------------------------------------------------
  // entry_i shows the layer of a pass long before its first column.
  wire  [SizeBits-1:0]   entry_groups = groups_i[entry_i.layer*SizeBits +: SizeBits];
  logic [ColumnBits-1:0] entry_beats_q, beats0;
  always_ff @(posedge clk_i) entry_beats_q <= {1'b0, entry_groups, 1'b0} + {2'b0, entry_groups};

  logic   v0, ready1;
  entry_t entry0;

  stream_register #(.Width($bits(entry_t) + ColumnBits)) u_capture (
    .clk_i, .rst_ni, .flush_i,
    .in_valid_i (entry_valid_i),
    .in_ready_o (entry_ready_o),
    .in_data_i  ({entry_i, entry_beats_q}),
    .out_valid_o(v0),
    .out_ready_i(ready1),
    .out_data_o ({entry0, beats0})
  );
  wire is_bias0 = (entry0.op == EntryBias);

  // ---- 1: multiply ------------------------------------------------------------------------------------------------
  wire [SizeBits-1:0] groups = groups_i[entry0.layer*SizeBits +: SizeBits];

  logic                           v1_q, v2_q;
  entry_t                         entry1_q, entry2_q;
  logic [UnitBits+ColumnBits-1:0] offset1_q;
  logic [FetchBits-1:0]           beats1_q, beats2_q;
  logic [SizeBits-1:0]            last_group1_q, last_group2_q;
  logic [AxiAddrWidth-1:0]        addr2_q;

  wire ready2 = !v2_q || ((entry2_q.op == EntryEnd || burst_ready_i) && work_ready_i);
  assign ready1 = !v1_q || ready2;

  // ---- 2: address -------------------------------------------------------------------------------------------------
  wire [AxiAddrWidth-1:0] base =
      (entry1_q.op == EntryBias) ? addr_bias_i[entry1_q.layer*AxiAddrWidth +: AxiAddrWidth]
    : (entry1_q.kind == KindH)   ? addr_wh_i  [entry1_q.layer*AxiAddrWidth +: AxiAddrWidth]
                                 : addr_wx_i  [entry1_q.layer*AxiAddrWidth +: AxiAddrWidth];
  wire [AxiAddrWidth-1:0] offset_bytes = AxiAddrWidth'(offset1_q) << BeatShift;

  always_ff @(posedge clk_i) begin
    if (v0 && ready1) begin
      entry1_q      <= entry0;
      last_group1_q <= groups - 1'b1;
      offset1_q     <= is_bias0 ? '0 : entry0.index * beats0;
      beats1_q      <= is_bias0 ? FetchBits'({groups, 4'd0}) : beats0;
    end
    if (v1_q && ready2) begin
      entry2_q      <= entry1_q;
      last_group2_q <= last_group1_q;
      beats2_q      <= beats1_q;
      addr2_q       <= base + offset_bytes;
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
  assign burst_valid_o = v2_q && (entry2_q.op != EntryEnd) && work_ready_i;
  assign burst_addr_o  = addr2_q;
  assign burst_beats_o = beats2_q;
  assign work_valid_o  = v2_q && (entry2_q.op == EntryEnd || burst_ready_i);
  assign work_o.op     = entry2_q.op;
  assign work_o.layer  = entry2_q.layer;
  assign work_o.kind   = entry2_q.kind;
  assign work_o.last   = entry2_q.last;
  assign work_o.last_group = last_group2_q;
  assign work_o.delta  = (entry2_q.op == EntryColumn) ? entry2_q.delta : '0;  // biases pass through the adders unchanged
  assign column_o      = work_valid_o && work_ready_i && (entry2_q.op == EntryColumn);
  assign undo_o        = entry2_q.undo;
  assign idle_o        = !v0 && !v1_q && !v2_q;

  // Kept for the waveform: which column is being asked for.
  logic [UnitBits-1:0] unused_index;
  assign unused_index = entry2_q.index;

  // Each valid at the outputs follows the ready of the other: that they are stable is asserted in edgedrnn.sv.
  `EDGEDRNN_STABLE(RequestStable, v2_q, ready2, {entry2_q, last_group2_q, beats2_q, addr2_q}, flush_i)
  `EDGEDRNN_ASSERT(BurstAndWorkTogether, (burst_valid_o && burst_ready_i)
                   == (work_valid_o && work_ready_i && (work_o.op != EntryEnd)))
  `EDGEDRNN_NEVER(BurstOfNothing, burst_valid_o && (burst_beats_o == '0))
  `EDGEDRNN_NEVER(LayerShownTooLate, entry_valid_i && (entry_i.op == EntryColumn)
                  && (entry_i.layer != $past(entry_i.layer)))
endmodule

`default_nettype wire
