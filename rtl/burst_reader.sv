// SPDX-License-Identifier: Apache-2.0
// AXI4 read master: splits a request (address, beats) into INCR bursts, keeps up to Outstanding of them under way, and
// delivers the beats in order through a register slice. Bursts end at multiples of 256 beats or of 4 KiB, whichever
// is less: so none is longer than 256 beats or crosses 4 KiB, and the end of a burst is a matter of address bits.
//
// drain_i: no new burst is started, those under way are waited for and their beats thrown away. An address that is
// already offered stays offered until it is taken, as AXI demands, and its beats are waited for as well. idle_o then
// says that the bus owes nothing.
//
// The length of each burst under way is kept, so that RLAST is checked against it. A burst that comes back short or
// long, and a beat of no burst at all, are told. A beat that nobody owes is thrown away. After such an answer the count
// of beats and the count of RLASTs disagree: a drain ends when either says that nothing is owed.
// give_up_i: should what is owed not come within the time-out while draining, it is forgotten.
`include "edgedrnn_assert.svh"

`default_nettype none

module burst_reader
  import edgedrnn_pkg::*;
#(
  parameter int AxiDataWidth = 64,
  parameter int AxiAddrWidth = 32,
  parameter int Outstanding  = 16
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    drain_i,
  input  logic                    give_up_i,    // the time-out ends the drain
  input  logic [31:0]             timeout_i,    // cycles in which what is owed first does not come, 0: wait for ever

  input  logic                    burst_valid_i,
  output logic                    burst_ready_o,
  input  logic [AxiAddrWidth-1:0] burst_addr_i,
  input  logic [FetchBits-1:0]    burst_beats_i,

  output logic                    beat_valid_o,
  input  logic                    beat_ready_i,
  output logic [AxiDataWidth-1:0] beat_data_o,

  output logic [0:0]              m_axi_arid,
  output logic [AxiAddrWidth-1:0] m_axi_araddr,
  output logic [7:0]              m_axi_arlen,
  output logic [2:0]              m_axi_arsize,
  output logic [1:0]              m_axi_arburst,
  output logic                    m_axi_arlock,
  output logic [3:0]              m_axi_arcache,
  output logic [2:0]              m_axi_arprot,
  output logic [3:0]              m_axi_arqos,
  output logic                    m_axi_arvalid,
  input  logic                    m_axi_arready,
  input  logic [0:0]              m_axi_rid,
  input  logic [AxiDataWidth-1:0] m_axi_rdata,
  input  logic [1:0]              m_axi_rresp,
  input  logic                    m_axi_rlast,
  input  logic                    m_axi_rvalid,
  output logic                    m_axi_rready,

  output logic                    slverr_o,     // pulses, a cycle after what they tell
  output logic                    decerr_o,
  output logic                    short_o,      // RLAST before the last beat of its burst
  output logic                    long_o,       // no RLAST on it
  output logic                    unowed_o,     // a beat, and no burst under way
  output logic                    timeout_o,
  output logic                    gave_up_o,    // what was owed has been forgotten
  output logic                    beat_taken_o,
  output logic                    waiting_o,    // bursts under way, no beat here
  output logic                    idle_o
);
  localparam int BeatBytes   = AxiDataWidth / 8;
  localparam int BeatShift   = $clog2(BeatBytes);
  localparam int PageBeats   = 4096 / BeatBytes;         // 128 ... 1024
  localparam int ChunkBeats  = (PageBeats < 256) ? PageBeats : 256;
  localparam int ChunkBits   = $clog2(ChunkBeats);
  localparam int CountBits   = $clog2(Outstanding) + 1;

  // ---- Splitting --------------------------------------------------------------------------------------------------
  logic [AxiAddrWidth-1:0] addr_q;
  logic                    held_q;                       // beats are left that have not been asked for
  logic [FetchBits-1:0]    left_q;                       // so many, less one
  logic [CountBits-1:0]    under_way_q;
  logic [31:0]             silent_q;                     // cycles in which what is owed did not come
  logic                    drain_q;

  // A request is split from the cycle in which it comes; what is left of it stays in addr_q and left_q.
  wire                     accepted = burst_valid_i && burst_ready_o;
  wire [AxiAddrWidth-1:0]  addr     = held_q ? addr_q : burst_addr_i;
  wire [FetchBits-1:0]     left     = held_q ? left_q : burst_beats_i - 1'b1;
  wire [ChunkBits-1:0]     at       = addr[ChunkBits+BeatShift-1:BeatShift];      // place in the chunk
  wire [FetchBits-1:0]     last     = left + FetchBits'(at);                      // of the last beat
  wire                     is_tail  = (last[FetchBits-1:ChunkBits] == '0);
  wire [ChunkBits-1:0]     len      = is_tail ? left[ChunkBits-1:0] : ~at;        // less one
  wire [AxiAddrWidth-1:0]  next     = {addr[AxiAddrWidth-1:ChunkBits+BeatShift] + 1'b1, {(ChunkBits+BeatShift){1'b0}}};

  logic                    arvalid_q;
  logic [AxiAddrWidth-1:0] araddr_q;
  logic [7:0]              arlen_q;
  wire ar_taken = arvalid_q && m_axi_arready;
  wire r_taken  = m_axi_rvalid && m_axi_rready;
  wire owed;                                             // a burst whose address is taken lacks beats
  wire r_owed   = r_taken && owed;
  wire room     = (under_way_q < CountBits'(Outstanding)) || (r_owed && m_axi_rlast);
  wire issue    = (held_q || accepted) && (!arvalid_q || m_axi_arready) && room && !drain_i;

  assign burst_ready_o = !held_q;                        // what comes while drain_i is 1 is lost

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      held_q    <= 1'b0;
      arvalid_q <= 1'b0;
    end else begin
      if (drain_i)       held_q <= 1'b0;
      else if (issue)    held_q <= !is_tail;
      else if (accepted) held_q <= 1'b1;
      if (issue)         arvalid_q <= 1'b1;
      else if (ar_taken) arvalid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    addr_q <= issue ? next : addr;
    left_q <= issue ? last - FetchBits'(ChunkBeats) : left;
    if (issue) begin
      araddr_q <= addr;
      arlen_q  <= 8'(len);
    end
  end

  // Counted from the moment the address is offered, so that nothing is owed while idle_o is 1.
  wire expired = (timeout_i != '0) && (silent_q == timeout_i);
  wire give_up = give_up_i && drain_q && expired;
  wire over    = drain_i && ((under_way_q == '0) || (!owed && !arvalid_q));
  wire forget  = gave_up_o || over;
  wire closes  = r_owed && m_axi_rlast && (under_way_q != CountBits'(arvalid_q));   // of those that are taken

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      under_way_q <= '0;
    end else if (forget) begin
      under_way_q <= CountBits'(arvalid_q && !m_axi_arready);
    end else begin
      case ({issue, closes})
        2'b10:   under_way_q <= under_way_q + 1'b1;
        2'b01:   under_way_q <= under_way_q - 1'b1;
        default: under_way_q <= under_way_q;
      endcase
    end
  end

  assign m_axi_arid    = 1'b0;
  assign m_axi_araddr  = araddr_q;
  assign m_axi_arlen   = arlen_q;
  assign m_axi_arsize  = 3'(BeatShift);
  assign m_axi_arburst = 2'b01;
  assign m_axi_arlock  = 1'b0;
  assign m_axi_arcache = 4'b0011;      // normal, non-cacheable, bufferable
  assign m_axi_arprot  = 3'b000;
  assign m_axi_arqos   = 4'd0;
  assign m_axi_arvalid = arvalid_q;

  // ---- Lengths of the bursts under way, less one ------------------------------------------------------------------
  // Twice as many as bursts: some addresses may be taken between a short burst and the drain that it causes.
  logic                 lengths_ready, lengths_empty;
  logic [ChunkBits-1:0] length, beat_q;                  // of the oldest one; its beats that have come
  wire                  ends = (beat_q == length);       // the next beat is its last

  stream_fifo #(.Width(ChunkBits), .Depth(2 * Outstanding)) u_lengths (
    .clk_i, .rst_ni,
    .flush_i    (forget),
    .in_valid_i (ar_taken),
    .in_ready_o (lengths_ready),
    .in_data_i  (arlen_q[ChunkBits-1:0]),
    .out_valid_o(owed),
    .out_ready_i(r_taken && ends),
    .out_data_o (length),
    .empty_o    (lengths_empty)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni || forget || (r_owed && ends)) beat_q <= '0;
    else if (r_owed)                           beat_q <= beat_q + 1'b1;
  end

  // ---- Beats ------------------------------------------------------------------------------------------------------
  logic slice_ready, slice_empty;
  wire  keep = m_axi_rvalid && owed && !drain_i;
  assign m_axi_rready = drain_i || slice_ready;

  stream_fifo #(.Width(AxiDataWidth), .Depth(2)) u_slice (
    .clk_i, .rst_ni,
    .flush_i    (drain_i),
    .in_valid_i (keep),
    .in_ready_o (slice_ready),
    .in_data_i  (m_axi_rdata),
    .out_valid_o(beat_valid_o),
    .out_ready_i(beat_ready_i),
    .out_data_o (beat_data_o),
    .empty_o    (slice_empty)
  );

  assign beat_taken_o = r_taken;
  assign idle_o       = (under_way_q == '0) && !held_q && slice_empty;
  assign waiting_o    = (under_way_q != '0) && !m_axi_rvalid;

  // ---- Time-out: what the memory owes first does not come -----------------------------------------------------------
  // That is a beat, or the taking of an address where no beat is owed. Nothing else that moves starts the count again.
  // A drain has a count of its own.
  wire moved = owed ? m_axi_rvalid : (ar_taken || !arvalid_q);

  always_ff @(posedge clk_i) begin
    drain_q <= drain_i;
    if (!rst_ni || moved || (drain_i && !(drain_q && give_up_i))) silent_q <= '0;
    else                                                          silent_q <= silent_q + 1'b1;
  end

  // An error response of a beat that nobody owes is not that of a read of ours.
  always_ff @(posedge clk_i) begin
    slverr_o  <= rst_ni && r_owed && (m_axi_rresp == 2'b10);
    decerr_o  <= rst_ni && r_owed && (m_axi_rresp == 2'b11);
    short_o   <= rst_ni && r_owed && m_axi_rlast && !ends;
    long_o    <= rst_ni && r_owed && !m_axi_rlast && ends;
    unowed_o  <= rst_ni && r_taken && !owed;
    timeout_o <= rst_ni && expired;
    gave_up_o <= rst_ni && give_up;
  end

  wire unused = ^{m_axi_rid, lengths_ready, lengths_empty};

  `EDGEDRNN_ASSERT(BurstsWithinOutstanding, int'(under_way_q) <= Outstanding)
  `EDGEDRNN_NEVER(BeatNotOwedKept, keep && !owed)
  `EDGEDRNN_NEVER(LengthLost, ar_taken && !lengths_ready)
  `EDGEDRNN_ASSERT(IdleMeansNothingOwed, rst_ni && drain_i && idle_o |=> lengths_empty)
  `EDGEDRNN_STABLE(AddressStable, m_axi_arvalid, m_axi_arready, {m_axi_araddr, m_axi_arlen}, 1'b0)
  `EDGEDRNN_NEVER(BurstCrossesPage, arvalid_q
                  && (int'(araddr_q[11:0]) + (int'(arlen_q) + 1) * BeatBytes > 4096))
endmodule

`default_nettype wire
