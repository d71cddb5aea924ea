// SPDX-License-Identifier: Apache-2.0
// AXI4-Lite rules on all five channels.
//
//   u_aw u_w u_b u_ar u_r  the channel rules of channel_checker
//   B_WITHOUT_AW, B_WITHOUT_W  a response needs an address and data accepted in earlier cycles
//   R_WITHOUT_AR           so does read data an address
//   B_RESP, R_RESP         EXOKAY does not exist in AXI4-Lite
//   AW_OUTSTANDING, W_OUTSTANDING, AR_OUTSTANDING  at most MaxOutstanding accepted, not answered
//   NOT_DRAINED            when done_i rises nothing waits and nothing is unanswered
//   NOT_RESET              when done_i rises there has been a reset: nothing is checked before

`default_nettype none

module axil_checker #(
  parameter int DataWidth = 32,
  parameter int AddrWidth = 12,
  parameter int MaxOutstanding = 4,
  parameter int MaxMessages = 20
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   done_i,
  input  logic [AddrWidth-1:0]   awaddr_i,
  input  logic [2:0]             awprot_i,
  input  logic                   awvalid_i,
  input  logic                   awready_i,
  input  logic [DataWidth-1:0]   wdata_i,
  input  logic [DataWidth/8-1:0] wstrb_i,
  input  logic                   wvalid_i,
  input  logic                   wready_i,
  input  logic [1:0]             bresp_i,
  input  logic                   bvalid_i,
  input  logic                   bready_i,
  input  logic [AddrWidth-1:0]   araddr_i,
  input  logic [2:0]             arprot_i,
  input  logic                   arvalid_i,
  input  logic                   arready_i,
  input  logic [DataWidth-1:0]   rdata_i,
  input  logic [1:0]             rresp_i,
  input  logic                   rvalid_i,
  input  logic                   rready_i,
  output logic [31:0]            error_count_o
);

  localparam logic [1:0] RespExOkay = 2'd1;

  logic [31:0] errors;
  logic [31:0] aw_errors;
  logic [31:0] w_errors;
  logic [31:0] b_errors;
  logic [31:0] ar_errors;
  logic [31:0] r_errors;
  assign error_count_o = errors + aw_errors + w_errors + b_errors + ar_errors + r_errors;

  channel_checker #(
    .Width      (AddrWidth + 3),
    .MaxMessages(MaxMessages)
  ) u_aw (
    .clk_i,
    .rst_ni,
    .flush_i      (1'b0),
    .valid_i      (awvalid_i),
    .ready_i      (awready_i),
    .payload_i    ({awaddr_i, awprot_i}),
    .error_count_o(aw_errors)
  );

  channel_checker #(
    .Width      (DataWidth + DataWidth / 8),
    .MaxMessages(MaxMessages)
  ) u_w (
    .clk_i,
    .rst_ni,
    .flush_i      (1'b0),
    .valid_i      (wvalid_i),
    .ready_i      (wready_i),
    .payload_i    ({wdata_i, wstrb_i}),
    .error_count_o(w_errors)
  );

  channel_checker #(
    .Width      (2),
    .MaxMessages(MaxMessages)
  ) u_b (
    .clk_i,
    .rst_ni,
    .flush_i      (1'b0),
    .valid_i      (bvalid_i),
    .ready_i      (bready_i),
    .payload_i    (bresp_i),
    .error_count_o(b_errors)
  );

  channel_checker #(
    .Width      (AddrWidth + 3),
    .MaxMessages(MaxMessages)
  ) u_ar (
    .clk_i,
    .rst_ni,
    .flush_i      (1'b0),
    .valid_i      (arvalid_i),
    .ready_i      (arready_i),
    .payload_i    ({araddr_i, arprot_i}),
    .error_count_o(ar_errors)
  );

  channel_checker #(
    .Width      (DataWidth + 2),
    .MaxMessages(MaxMessages)
  ) u_r (
    .clk_i,
    .rst_ni,
    .flush_i      (1'b0),
    .valid_i      (rvalid_i),
    .ready_i      (rready_i),
    .payload_i    ({rdata_i, rresp_i}),
    .error_count_o(r_errors)
  );

  // Accepted and not yet answered.
  logic [31:0] aw_count;
  logic [31:0] w_count;
  logic [31:0] ar_count;
  logic        done_q;
  logic        seen_reset;

  initial begin
    errors = 0;
    aw_count = 0;
    w_count = 0;
    ar_count = 0;
    done_q = 1'b0;
    seen_reset = 1'b0;
  end

  // verilator lint_off BLKSEQ
  always @(posedge clk_i) begin
    if (rst_ni !== 1'b1) begin
      aw_count = 0;
      w_count = 0;
      ar_count = 0;
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
      // Answers first: they need requests accepted in earlier cycles.
      if (bvalid_i === 1'b1) begin
        if (aw_count == 0) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: B_WITHOUT_AW bresp %b at %0t", bresp_i, $time);
        end
        if (w_count == 0) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: B_WITHOUT_W bresp %b at %0t", bresp_i, $time);
        end
        if (bresp_i === RespExOkay) begin
          errors = errors + 1;
          if (errors <= MaxMessages) $display("CHECKER %m: B_RESP EXOKAY at %0t", $time);
        end
        if (bready_i === 1'b1) begin
          if (aw_count != 0) aw_count = aw_count - 1;
          if (w_count != 0) w_count = w_count - 1;
        end
      end
      if (rvalid_i === 1'b1) begin
        if (ar_count == 0) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: R_WITHOUT_AR rdata %h at %0t", rdata_i, $time);
        end
        if (rresp_i === RespExOkay) begin
          errors = errors + 1;
          if (errors <= MaxMessages) $display("CHECKER %m: R_RESP EXOKAY at %0t", $time);
        end
        if (rready_i === 1'b1 && ar_count != 0) ar_count = ar_count - 1;
      end

      if (awvalid_i === 1'b1 && awready_i === 1'b1) begin
        aw_count = aw_count + 1;
        if (aw_count > MaxOutstanding) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: AW_OUTSTANDING %0d, at most %0d at %0t",
                     aw_count, MaxOutstanding, $time);
        end
      end
      if (wvalid_i === 1'b1 && wready_i === 1'b1) begin
        w_count = w_count + 1;
        if (w_count > MaxOutstanding) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: W_OUTSTANDING %0d, at most %0d at %0t",
                     w_count, MaxOutstanding, $time);
        end
      end
      if (arvalid_i === 1'b1 && arready_i === 1'b1) begin
        ar_count = ar_count + 1;
        if (ar_count > MaxOutstanding) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: AR_OUTSTANDING %0d, at most %0d at %0t",
                     ar_count, MaxOutstanding, $time);
        end
      end

      if (done_i === 1'b1 && !done_q
          && (aw_count != 0 || w_count != 0 || ar_count != 0 || awvalid_i === 1'b1
              || wvalid_i === 1'b1 || bvalid_i === 1'b1 || arvalid_i === 1'b1
              || rvalid_i === 1'b1)) begin
        errors = errors + 1;
        if (errors <= MaxMessages)
          $display("CHECKER %m: NOT_DRAINED %0d AW, %0d W, %0d AR unanswered at %0t",
                   aw_count, w_count, ar_count, $time);
      end
      done_q = done_i === 1'b1;
    end
  end
  // verilator lint_on BLKSEQ

endmodule

`default_nettype wire
