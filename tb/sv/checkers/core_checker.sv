// SPDX-License-Identifier: Apache-2.0
// The rules of channel_checker on every ready/valid stream between two modules of the core `u_dut` beside it.
//
// Streams on which what is offered stays until it is taken:
//   x      x_ingress     -> delta_encoder      entry  delta_encoder -> column_fetch
//   beat   burst_reader  -> pe_array           work   work_queue    -> pe_array
//   start  pe_array      -> gate_pipeline
// Streams whose giver may think again:
//   pass   sequencer     -> delta_encoder      x goes before h, so that another pass may take the offer's place
//   burst  column_fetch  -> burst_reader       waits for the work queue as well
//   push   column_fetch  -> work_queue         waits for the burst reader as well
// and one rule on the last two:
//   NOT_TOGETHER  a burst and the work that it belongs to are taken in the same cycle
//
// A flush, after a fault or a soft reset, takes everything back. What a type has no use for is not part of a payload.
`default_nettype none

module core_checker
  import edgedrnn_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,
  output logic [31:0] error_count_o
);
  `include "core_taps.svh"

  localparam int Width   = 256;        // the widest payload: a beat
  localparam int Streams = 8;

  wire flush = `tap_flush;

  wire [UnitBits+ActBits-1:0] entry_of = (`tap_entry_type == EntryColumn) ? {`tap_entry_index, `tap_entry_delta} : '0;
  wire [SizeBits+ActBits-1:0] push_of  = (`tap_push_type == EntryEnd) ? '0 : {`tap_push_last_group, `tap_push_delta};
  wire [SizeBits+ActBits-1:0] work_of  = (`tap_work_type == EntryEnd) ? '0 : {`tap_work_last_group, `tap_work_delta};
  wire [Width-1:0] entry = {`tap_entry_type, `tap_entry_layer, `tap_entry_kind, `tap_entry_last, `tap_entry_undo, entry_of};
  wire [Width-1:0] push  = {`tap_push_type, `tap_push_layer, `tap_push_kind, `tap_push_last, push_of};
  wire [Width-1:0] work  = {`tap_work_type, `tap_work_layer, `tap_work_kind, `tap_work_last, work_of};
  wire [Width-1:0] pass  = {`tap_pass_type, `tap_pass_layer, `tap_pass_last, `tap_pass_size};
  wire [Width-1:0] burst = {`tap_burst_addr, `tap_burst_beats};
  wire [Width-1:0] x     = `tap_x_data;
  wire [Width-1:0] beat  = `tap_beat_data;
  wire [Width-1:0] start = `tap_start_layer;

  wire [31:0] counts [Streams];

  channel_checker #(.Width(Width)) u_x (
    .clk_i, .rst_ni, .flush_i(flush),
    .valid_i(`tap_x_valid), .ready_i(`tap_x_ready), .payload_i(x), .error_count_o(counts[0])
  );
  channel_checker #(.Width(Width), .MayWithdraw(1'b1), .MayChange(1'b1)) u_pass (
    .clk_i, .rst_ni, .flush_i(flush),
    .valid_i(`tap_pass_valid), .ready_i(`tap_pass_ready), .payload_i(pass), .error_count_o(counts[1])
  );
  channel_checker #(.Width(Width)) u_entry (
    .clk_i, .rst_ni, .flush_i(flush),
    .valid_i(`tap_entry_valid), .ready_i(`tap_entry_ready), .payload_i(entry), .error_count_o(counts[2])
  );
  channel_checker #(.Width(Width), .MayWithdraw(1'b1)) u_burst (
    .clk_i, .rst_ni, .flush_i(flush),
    .valid_i(`tap_burst_valid), .ready_i(`tap_burst_ready), .payload_i(burst), .error_count_o(counts[3])
  );
  channel_checker #(.Width(Width), .MayWithdraw(1'b1)) u_push (
    .clk_i, .rst_ni, .flush_i(flush),
    .valid_i(`tap_push_valid), .ready_i(`tap_push_ready), .payload_i(push), .error_count_o(counts[4])
  );
  channel_checker #(.Width(Width)) u_beat (
    .clk_i, .rst_ni, .flush_i(flush),
    .valid_i(`tap_beat_valid), .ready_i(`tap_beat_ready), .payload_i(beat), .error_count_o(counts[5])
  );
  channel_checker #(.Width(Width)) u_work (
    .clk_i, .rst_ni, .flush_i(flush),
    .valid_i(`tap_work_valid), .ready_i(`tap_work_ready), .payload_i(work), .error_count_o(counts[6])
  );
  channel_checker #(.Width(Width)) u_start (
    .clk_i, .rst_ni, .flush_i(flush),
    .valid_i(`tap_gate_start), .ready_i(`tap_gate_ready), .payload_i(start), .error_count_o(counts[7])
  );

  localparam int MaxMessages = 20;
  wire burst_taken = `tap_burst_valid && `tap_burst_ready;
  wire work_taken  = `tap_push_valid && `tap_push_ready && `tap_push_type != EntryEnd;
  int  apart;
  initial apart = 0;
  always @(posedge clk_i) begin
    if (rst_ni === 1'b1 && flush === 1'b0 && burst_taken !== work_taken) begin
      apart <= apart + 1;
      if (apart < MaxMessages)
        $display("CHECKER %m: NOT_TOGETHER burst taken is %b, its work %b at %0t", burst_taken, work_taken, $time);
    end
  end

  assign error_count_o = counts[0] + counts[1] + counts[2] + counts[3] + counts[4] + counts[5] + counts[6] + counts[7]
                       + 32'(apart);
endmodule

`default_nettype wire
