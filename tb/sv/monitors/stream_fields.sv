// SPDX-License-Identifier: Apache-2.0
// The fields of the core's streams, each a net of its own, for dumps: a dump has no path for a member of a packed
// struct. Every tap of core_taps.svh that is such a member has a net of its name here; tb/debug/taps.py looks for
// them below `u_fields`.
`default_nettype none

module stream_fields
  import edgedrnn_pkg::*;
();
  `include "core_taps.svh"

  wire [1:0]             pass_type       = `tap_pass_type;
  wire [LayerBits-1:0]   pass_layer      = `tap_pass_layer;
  wire                   pass_last       = `tap_pass_last;
  wire [SizeBits-1:0]    pass_size       = `tap_pass_size;
  wire [ThetaBits-1:0]   pass_theta      = `tap_pass_theta;
  wire [1:0]             encoder_type    = `tap_encoder_type;
  wire [LayerBits-1:0]   encoder_layer   = `tap_encoder_layer;
  wire [ThetaBits-1:0]   encoder_theta   = `tap_encoder_theta;
  wire [1:0]             entry_type      = `tap_entry_type;
  wire [LayerBits-1:0]   entry_layer     = `tap_entry_layer;
  wire                   entry_kind      = `tap_entry_kind;
  wire                   entry_last      = `tap_entry_last;
  wire                   entry_undo      = `tap_entry_undo;
  wire [UnitBits-1:0]    entry_index     = `tap_entry_index;
  wire [ActBits-1:0]     entry_delta     = `tap_entry_delta;
  wire [UnitBits-1:0]    fetch_index     = `tap_fetch_index;
  wire [1:0]             push_type       = `tap_push_type;
  wire [LayerBits-1:0]   push_layer      = `tap_push_layer;
  wire                   push_kind       = `tap_push_kind;
  wire                   push_last       = `tap_push_last;
  wire [ActBits-1:0]     push_delta      = `tap_push_delta;
  wire [SizeBits-1:0]    push_last_group = `tap_push_last_group;
  wire [1:0]             work_type       = `tap_work_type;
  wire [LayerBits-1:0]   work_layer      = `tap_work_layer;
  wire                   work_kind       = `tap_work_kind;
  wire                   work_last       = `tap_work_last;
  wire [ActBits-1:0]     work_delta      = `tap_work_delta;
  wire [SizeBits-1:0]    work_last_group = `tap_work_last_group;
endmodule

`default_nettype wire
