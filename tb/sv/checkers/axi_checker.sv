// SPDX-License-Identifier: Apache-2.0
// AXI4 rules of a read master and of the slave that answers it (channels AR and R).
//
//   u_ar, u_r        the channel rules of channel_checker
//   AR_4K            a burst does not cross a 4 KiB boundary
//   AR_BURST         arburst is not reserved; OnlyIncr asks for INCR
//   AR_LEN           WRAP has 2, 4, 8 or 16 beats, FIXED at most 16
//   AR_SIZE          arsize is not wider than the bus; FullWidth asks for exactly its width
//   AR_LOCK          no exclusive access, which nothing here answers
//   AR_ALIGN         with FullWidth, the address is aligned to the bus
//   AR_OUTSTANDING   no more than MaxOutstanding bursts are under way
//   R_WITHOUT_AR     no read beat without a burst accepted in an earlier cycle
//   R_ID             beats carry the id of the oldest burst (one id in use, so in order)
//   R_LAST           rlast on the last beat of the burst and nowhere else
//   R_RESP           no EXOKAY, since no exclusive access is made
//   NOT_DRAINED      when done_i rises nothing waits and nothing is under way
//   While misuse_i is 1 the slave breaks the rules of bursts on purpose: they are not followed.
//   NOT_RESET        when done_i rises there has been a reset: nothing is checked before

`default_nettype none

module axi_checker #(
  parameter int DataWidth = 64,
  parameter int AddrWidth = 32,
  parameter int IdWidth = 1,
  parameter int MaxOutstanding = 16,
  parameter bit OnlyIncr = 1'b1,
  parameter bit FullWidth = 1'b1,
  parameter int MaxMessages = 20
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 done_i,
  input  logic                 misuse_i,
  input  logic [IdWidth-1:0]   arid_i,
  input  logic [AddrWidth-1:0] araddr_i,
  input  logic [7:0]           arlen_i,
  input  logic [2:0]           arsize_i,
  input  logic [1:0]           arburst_i,
  input  logic                 arlock_i,
  input  logic [3:0]           arcache_i,
  input  logic [2:0]           arprot_i,
  input  logic [3:0]           arqos_i,
  input  logic                 arvalid_i,
  input  logic                 arready_i,
  input  logic [IdWidth-1:0]   rid_i,
  input  logic [DataWidth-1:0] rdata_i,
  input  logic [1:0]           rresp_i,
  input  logic                 rlast_i,
  input  logic                 rvalid_i,
  input  logic                 rready_i,
  output logic [31:0]          error_count_o
);

  localparam logic [1:0] BurstFixed = 2'd0;
  localparam logic [1:0] BurstIncr = 2'd1;
  localparam logic [1:0] BurstWrap = 2'd2;
  localparam logic [1:0] RespExOkay = 2'd1;
  localparam int ArWidth = IdWidth + AddrWidth + 25;
  localparam int RWidth = IdWidth + DataWidth + 3;
  localparam int BusBytes = DataWidth / 8;
  localparam int BusSize = $clog2(BusBytes);
  localparam int QueueDepth = 256;

  logic [31:0] errors;
  logic [31:0] ar_errors;
  logic [31:0] r_errors;
  assign error_count_o = errors + ar_errors + r_errors;

  channel_checker #(
    .Width      (ArWidth),
    .MaxMessages(MaxMessages)
  ) u_ar (
    .clk_i,
    .rst_ni,
    .flush_i      (1'b0),
    .valid_i      (arvalid_i),
    .ready_i      (arready_i),
    .payload_i    ({arid_i, araddr_i, arlen_i, arsize_i, arburst_i, arlock_i, arcache_i,
                    arprot_i, arqos_i}),
    .error_count_o(ar_errors)
  );

  channel_checker #(
    .Width      (RWidth),
    .MaxMessages(MaxMessages)
  ) u_r (
    .clk_i,
    .rst_ni       (rst_ni || (misuse_i === 1'b1)),
    .flush_i      (1'b0),
    .valid_i      (rvalid_i),
    .ready_i      (rready_i),
    .payload_i    ({rid_i, rdata_i, rresp_i, rlast_i}),
    .error_count_o(r_errors)
  );

  // Bursts under way, oldest at head. Lengths are kept as arlen, that is beats less one.
  logic [7:0]         len_queue [QueueDepth];
  logic [IdWidth-1:0] id_queue  [QueueDepth];
  logic [7:0]         head;
  logic [7:0]         tail;
  logic [31:0]        outstanding;
  logic [8:0]         beat;  // beats of the head burst already taken
  logic               done_q;
  logic               seen_reset;
  logic [31:0]        burst_bytes;
  logic [31:0]        page_offset;

  initial begin
    errors = 0;
    head = 0;
    tail = 0;
    outstanding = 0;
    beat = 0;
    done_q = 1'b0;
    seen_reset = 1'b0;
  end

  // verilator lint_off BLKSEQ
  // verilator lint_off WIDTHEXPAND
  always @(posedge clk_i) begin
    if (rst_ni !== 1'b1) begin
      head = 0;
      tail = 0;
      outstanding = 0;
      beat = 0;
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
      if (misuse_i === 1'b1) begin
        head = 0;
        tail = 0;
        outstanding = 0;
        beat = 0;
      end
      // R first: a beat needs a burst that was accepted in an earlier cycle.
      if (rvalid_i === 1'b1 && misuse_i !== 1'b1) begin
        if (outstanding == 0) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: R_WITHOUT_AR beat %h with no burst under way at %0t",
                     rdata_i, $time);
        end else begin
          if (rid_i !== id_queue[head]) begin
            errors = errors + 1;
            if (errors <= MaxMessages)
              $display("CHECKER %m: R_ID rid %h, expected %h at %0t", rid_i, id_queue[head], $time);
          end
          if (rlast_i !== (beat == {1'b0, len_queue[head]})) begin
            errors = errors + 1;
            if (errors <= MaxMessages)
              $display("CHECKER %m: R_LAST rlast %b on beat %0d of %0d at %0t",
                       rlast_i, beat, len_queue[head] + 9'd1, $time);
          end
        end
        if (rresp_i === RespExOkay) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: R_RESP EXOKAY without an exclusive access at %0t", $time);
        end
        if (rready_i === 1'b1 && outstanding != 0) begin
          if (beat == {1'b0, len_queue[head]}) begin
            head = head + 1;
            outstanding = outstanding - 1;
            beat = 0;
          end else begin
            beat = beat + 1;
          end
        end
      end

      if (arvalid_i === 1'b1) begin
        burst_bytes = ({24'd0, arlen_i} + 1) << arsize_i;
        page_offset = {20'd0, araddr_i[11:0]};
        page_offset = (page_offset >> arsize_i) << arsize_i;
        if (arburst_i === BurstIncr && page_offset + burst_bytes > 4096) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: AR_4K address %h + %0d bytes crosses 4 KiB at %0t",
                     araddr_i, burst_bytes, $time);
        end
        if (arburst_i === 2'd3 || (OnlyIncr && arburst_i !== BurstIncr)) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: AR_BURST arburst %b at %0t", arburst_i, $time);
        end
        if ((arburst_i === BurstWrap && arlen_i != 1 && arlen_i != 3 && arlen_i != 7
             && arlen_i != 15) || (arburst_i === BurstFixed && arlen_i > 15)) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: AR_LEN arlen %0d with arburst %b at %0t",
                     arlen_i, arburst_i, $time);
        end
        if ({29'd0, arsize_i} > BusSize || (FullWidth && {29'd0, arsize_i} != BusSize)) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: AR_SIZE arsize %0d on a bus of size %0d at %0t",
                     arsize_i, BusSize, $time);
        end
        if (arlock_i !== 1'b0) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: AR_LOCK exclusive access to %h at %0t", araddr_i, $time);
        end
        if (FullWidth && (araddr_i & (BusBytes - 1)) != 0) begin
          errors = errors + 1;
          if (errors <= MaxMessages)
            $display("CHECKER %m: AR_ALIGN address %h on a bus of %0d bytes at %0t",
                     araddr_i, BusBytes, $time);
        end
        if (arready_i === 1'b1) begin
          len_queue[tail] = arlen_i;
          id_queue[tail] = arid_i;
          tail = tail + 1;
          outstanding = outstanding + 1;
          if (outstanding > MaxOutstanding) begin
            errors = errors + 1;
            if (errors <= MaxMessages)
              $display("CHECKER %m: AR_OUTSTANDING %0d bursts under way, at most %0d at %0t",
                       outstanding, MaxOutstanding, $time);
          end
        end
      end

      if (done_i === 1'b1 && !done_q
          && (outstanding != 0 || arvalid_i === 1'b1 || rvalid_i === 1'b1)) begin
        errors = errors + 1;
        if (errors <= MaxMessages)
          $display("CHECKER %m: NOT_DRAINED %0d bursts under way, arvalid %b, rvalid %b at %0t",
                   outstanding, arvalid_i, rvalid_i, $time);
      end
      done_q = done_i === 1'b1;
    end
  end
  // verilator lint_on WIDTHEXPAND
  // verilator lint_on BLKSEQ

endmodule

`default_nettype wire
