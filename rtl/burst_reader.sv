// AXI4 read master: splits a request (address, beats) into INCR bursts that never cross 4 KiB nor exceed 256 beats,
// keeps up to Outstanding of them under way, and delivers the beats in order through a register slice.
//
// drain_i: no new burst is started, those under way are waited for and their beats thrown away. An address that is
// already offered stays offered until it is taken, as AXI demands, and its beats are waited for as well. idle_o then
// says that the bus owes nothing.
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
  input  logic [31:0]             timeout_i,    // cycles without a handshake, 0: wait for ever

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

  output logic                    slverr_o,     // pulses
  output logic                    decerr_o,
  output logic                    timeout_o,
  output logic                    beat_taken_o,
  output logic                    waiting_o,    // bursts under way, no beat here
  output logic                    idle_o
);
  localparam int BeatBytes   = AxiDataWidth / 8;
  localparam int BeatShift   = $clog2(BeatBytes);
  localparam int PageBeats   = 4096 / BeatBytes;         // 128 ... 1024
  localparam int PageBits    = $clog2(PageBeats);
  localparam int MaxBurst    = 256;
  localparam int CountBits   = $clog2(Outstanding) + 1;

  // ---- Splitting --------------------------------------------------------------------------------------------------
  logic [AxiAddrWidth-1:0] addr_q;
  logic [FetchBits-1:0]    left_q;                       // beats not yet asked for
  logic [CountBits-1:0]    under_way_q;

  // A request is split from the cycle in which it comes; what is left of it stays in addr_q and left_q.
  wire                     held      = (left_q != '0);
  wire                     accepted  = burst_valid_i && burst_ready_o;
  wire [AxiAddrWidth-1:0]  addr      = held ? addr_q : burst_addr_i;
  wire [FetchBits-1:0]     left      = held ? left_q : burst_beats_i;
  wire [PageBits:0]    to_page = (PageBits+1)'(PageBeats) - {1'b0, addr[PageBits+BeatShift-1:BeatShift]};
  wire [FetchBits-1:0] page_ext = FetchBits'(to_page);
  wire [FetchBits-1:0] limit   = (page_ext > FetchBits'(MaxBurst)) ? FetchBits'(MaxBurst) : page_ext;
  wire                 is_tail = (left <= limit);
  wire [FetchBits-1:0] len     = is_tail ? left : limit;

  logic                    arvalid_q;
  logic [AxiAddrWidth-1:0] araddr_q;
  logic [7:0]              arlen_q;
  wire ar_taken = arvalid_q && m_axi_arready;
  wire r_taken  = m_axi_rvalid && m_axi_rready;
  wire room     = (under_way_q < CountBits'(Outstanding)) || (r_taken && m_axi_rlast);
  wire issue    = (held || accepted) && (!arvalid_q || m_axi_arready) && room && !drain_i;

  assign burst_ready_o = !drain_i && !held;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q    <= '0;
      arvalid_q <= 1'b0;
    end else begin
      if (drain_i) begin
        left_q <= '0;
      end else if (issue) begin
        left_q <= left - len;
      end else if (accepted) begin
        left_q <= burst_beats_i;
      end
      if (issue)         arvalid_q <= 1'b1;
      else if (ar_taken) arvalid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (issue)         addr_q <= addr + (AxiAddrWidth'(len) << BeatShift);
    else if (accepted) addr_q <= burst_addr_i;
    if (issue) begin
      araddr_q <= addr;
      arlen_q  <= 8'(len - 1'b1);
    end
  end

  // Counted from the moment the address is offered, so that nothing is owed while idle_o is 1.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      under_way_q <= '0;
    end else begin
      case ({issue, r_taken && m_axi_rlast})
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

  // ---- Beats ------------------------------------------------------------------------------------------------------
  logic slice_ready, slice_empty;
  assign m_axi_rready = drain_i || slice_ready;

  stream_fifo #(.Width(AxiDataWidth), .Depth(2)) u_slice (
    .clk_i, .rst_ni,
    .flush_i    (drain_i),
    .in_valid_i (m_axi_rvalid && !drain_i),
    .in_ready_o (slice_ready),
    .in_data_i  (m_axi_rdata),
    .out_valid_o(beat_valid_o),
    .out_ready_i(beat_ready_i),
    .out_data_o (beat_data_o),
    .empty_o    (slice_empty)
  );

  assign beat_taken_o = r_taken;
  assign slverr_o     = r_taken && (m_axi_rresp == 2'b10);
  assign decerr_o     = r_taken && (m_axi_rresp == 2'b11);
  assign idle_o       = (under_way_q == '0) && (left_q == '0) && slice_empty;
  assign waiting_o    = (under_way_q != '0) && !m_axi_rvalid;

  // ---- Time-out: the memory owes an AR or an R handshake and makes none ---------------------------------------------
  logic [31:0] silent_q;
  wire owes = (arvalid_q && !m_axi_arready) || waiting_o;
  assign timeout_o = (timeout_i != '0) && (silent_q == timeout_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || ar_taken || m_axi_rvalid || !owes || drain_i) silent_q <= '0;
    else                                                         silent_q <= silent_q + 1'b1;
  end

  wire unused = ^m_axi_rid;
endmodule
