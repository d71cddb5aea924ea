// SPDX-License-Identifier: Apache-2.0
// AXI4-Stream rules.
//
//   u_t           the channel rules of channel_checker
//   PACKET_LONG   no tlast on beat expected_beats_i of a packet
//   PACKET_SHORT  tlast before that beat (a beat with tuser[0], which closes a cut packet, may)
//   NOT_DRAINED   when done_i rises no beat waits and no packet is half sent
//   NOT_RESET     when done_i rises there has been a reset: nothing is checked before
//
// expected_beats_i = 0 says that the length is not known: any length will do.

`default_nettype none

module axis_checker #(
  parameter int DataWidth = 128,
  parameter int MaxMessages = 20,
  // A stream without meaning in some data lanes (padding) may carry X there.
  parameter bit CheckDataX = 1'b1
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 done_i,
  input  logic [15:0]          expected_beats_i,
  input  logic [DataWidth-1:0] tdata_i,
  input  logic                 tuser_i,
  input  logic                 tlast_i,
  input  logic                 tvalid_i,
  input  logic                 tready_i,
  output logic [31:0]          error_count_o
);

  logic [31:0] errors;
  logic [31:0] t_errors;
  logic [15:0] beats;  // beats of the open packet already taken
  logic        done_q;
  logic        seen_reset;
  assign error_count_o = errors + t_errors;

  channel_checker #(
    .Width      (DataWidth + 2),
    .MaxMessages(MaxMessages),
    .XMask      ({2'b11, {DataWidth{CheckDataX}}})
  ) u_t (
    .clk_i,
    .rst_ni,
    .flush_i      (1'b0),
    .valid_i      (tvalid_i),
    .ready_i      (tready_i),
    .payload_i    ({tuser_i, tlast_i, tdata_i}),
    .error_count_o(t_errors)
  );

  initial begin
    errors = 0;
    beats = 0;
    done_q = 1'b0;
    seen_reset = 1'b0;
  end

  // verilator lint_off BLKSEQ
  always @(posedge clk_i) begin
    if (rst_ni !== 1'b1) begin
      beats = 0;
      done_q = 1'b0;
      if (rst_ni === 1'b0) seen_reset = 1'b1;
    end else if (!seen_reset) begin
      // Twice in a row, since the very first edge may come before the bench has driven anything.
      if (done_i === 1'b1 && done_q && errors == 0) begin
        errors = 1;
        $display("CHECKER %m: NOT_RESET done without a reset, nothing was checked, at %0t", $time);
      end
      done_q = done_i === 1'b1;
    end else begin
      if (tvalid_i === 1'b1 && tready_i === 1'b1) begin
        beats = beats + 1;
        if (expected_beats_i != 0 && beats == expected_beats_i && tlast_i !== 1'b1) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: PACKET_LONG no tlast on beat %0d of %0d at %0t",
                     beats, expected_beats_i, $time);
        end
        if (expected_beats_i != 0 && beats < expected_beats_i && tlast_i === 1'b1
            && tuser_i !== 1'b1) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: PACKET_SHORT tlast on beat %0d of %0d at %0t",
                     beats, expected_beats_i, $time);
        end
        if (tlast_i === 1'b1) beats = 0;
      end
      if (done_i === 1'b1 && !done_q && (beats != 0 || tvalid_i === 1'b1)) begin
        errors = errors + 1;
        if (errors <= MaxMessages)
          $display("CHECKER %m: NOT_DRAINED %0d beats of an open packet, tvalid %b at %0t",
                   beats, tvalid_i, $time);
      end
      done_q = done_i === 1'b1;
    end
  end
  // verilator lint_on BLKSEQ

endmodule

`default_nettype wire
