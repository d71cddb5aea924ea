// SPDX-License-Identifier: Apache-2.0
// Rules that hold on every ready/valid channel, written once and instantiated for each.
//
//   X_CONTROL     valid is known; ready is known
//   X_PAYLOAD     the payload is known while valid is high (a part may be left out, see XMask)
//   VALID_DROPPED valid stays high until ready has been seen (unless MayWithdraw)
//   NOT_STABLE    the payload does not change while valid waits for ready (unless MayChange)
//   VALID_IN_RESET  valid is low in reset (from the second cycle of it on)
//
// flush_i takes back what is offered: valid may fall, or offer something else, after such a cycle.
// Nothing is checked before the first reset: until then signals may be anything.
// A checker only watches. It counts what it found in error_count_o and prints one line for each,
// up to MaxMessages of them. On a two-state simulator the X rules never fire.

`default_nettype none

module channel_checker #(
  parameter int Width = 1,
  parameter int MaxMessages = 20,
  // Payload bits that must not be X while valid is high.
  parameter logic [Width-1:0] XMask = {Width{1'b1}},
  parameter bit MayWithdraw = 1'b0,
  parameter bit MayChange = 1'b0
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             flush_i,
  input  logic             valid_i,
  input  logic             ready_i,
  input  logic [Width-1:0] payload_i,
  output logic [31:0]      error_count_o
);

  logic             waiting_q;     // valid without ready in the cycle before
  logic             in_reset_q;
  logic             seen_reset;
  logic [Width-1:0] payload_q;

  initial error_count_o = 0;
  initial waiting_q = 1'b0;
  initial in_reset_q = 1'b0;
  initial seen_reset = 1'b0;

  // verilator lint_off BLKSEQ
  always @(posedge clk_i) begin
    if (rst_ni === 1'b1 && seen_reset) begin
      if ((valid_i ^ valid_i) !== 1'b0) begin
        error_count_o = error_count_o + 1;
        if (error_count_o <= MaxMessages)
          $display("CHECKER %m: X_CONTROL valid is %b at %0t", valid_i, $time);
      end
      if ((ready_i ^ ready_i) !== 1'b0) begin
        error_count_o = error_count_o + 1;
        if (error_count_o <= MaxMessages)
          $display("CHECKER %m: X_CONTROL ready is %b at %0t", ready_i, $time);
      end
      if (valid_i === 1'b1 && (^(payload_i & XMask) ^ ^(payload_i & XMask)) !== 1'b0) begin
        error_count_o = error_count_o + 1;
        if (error_count_o <= MaxMessages)
          $display("CHECKER %m: X_PAYLOAD payload is %h at %0t", payload_i, $time);
      end
      if (waiting_q && !MayWithdraw && valid_i !== 1'b1) begin
        error_count_o = error_count_o + 1;
        if (error_count_o <= MaxMessages)
          $display("CHECKER %m: VALID_DROPPED valid fell without ready at %0t, payload was %h",
                   $time, payload_q);
      end
      if (waiting_q && !MayChange && valid_i === 1'b1 && payload_i !== payload_q) begin
        error_count_o = error_count_o + 1;
        if (error_count_o <= MaxMessages)
          $display("CHECKER %m: NOT_STABLE payload went from %h to %h while waiting at %0t",
                   payload_q, payload_i, $time);
      end
      waiting_q = valid_i === 1'b1 && ready_i !== 1'b1 && flush_i === 1'b0;
      payload_q = payload_i;
      in_reset_q = 1'b0;
    end else if (rst_ni !== 1'b1) begin
      if (in_reset_q && valid_i !== 1'b0) begin
        error_count_o = error_count_o + 1;
        if (error_count_o <= MaxMessages)
          $display("CHECKER %m: VALID_IN_RESET valid is %b in reset at %0t", valid_i, $time);
      end
      waiting_q = 1'b0;
      in_reset_q = 1'b1;
      if (rst_ni === 1'b0) seen_reset = 1'b1;
    end
  end
  // verilator lint_on BLKSEQ

endmodule

`default_nettype wire
