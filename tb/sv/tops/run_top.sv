// SPDX-License-Identifier: Apache-2.0
// Bench for long runs: the core, its DRAM, an x source, an h sink, and a checker on every bus, all
// in SystemVerilog. Python configures the core over s_axil, raises go and asleep, and sleeps until
// asleep falls: after the last step, on an error, a hang or an interrupt.
//
// Python's side of s_axil works on py_clk, which rises 1 ns after clk: whatever the simulator, by then
// all that the edge of clk caused has happened. What the core drives, Python sees as it was at that
// edge; what Python drives reaches the core before the next one. While asleep is high py_clk
// does not toggle, which costs nothing.
//
// With CLOCK_FROM_MAIN defined both clocks come from outside, at the same times: tb/sv/cpp/run_main.cpp
// makes them faster than Verilator's delays would, and leaves a sleeping Python alone.
//
// Cycle numbers: cycle c is the c-th clock period since time 0; a handshake happens in the cycle in
// which valid and ready are both high.
//
// Interval N: when the last beat of h_t is taken in cycle c, the first beat of x_{t+1} is offered,
// tvalid high, from cycle c + 1 + N on. With N = 0 that is the very next cycle.
//
//   +X_FILE=FILE    beats of x, 128 bits each, most significant byte first, X_BEATS for each step
//   +X_BEATS=N      beats of an x packet, ceil(I / 8)
//   +H_BEATS=N      beats of an h packet, H / 8 of the last layer
//   +STEPS=N        time steps to run
//   +INTERVAL=N     see above
//   +HANG=N         cycles without a handshake on x, h or the weight port that count as a hang
//   +H_STALL=P      chance that the h sink is not ready in a cycle, in 1/1000 (default 0: always ready)
//   +H_STALL_SEED=S
//   +LOG=FILE       one line an event, flushed after each step:
//                     X step cycle         first cycle in which x's first beat is offered
//                     H data               a beat of h, 128 bits in hex
//                     Y step cycle beats   cycle in which h's last beat is taken; DRAM beats so far
//   and those of axi_dram (+DRAM_...), trace_monitor (+TRACE=FILE) and timeline_monitor (+TIMELINE=FILE).

`default_nettype none

module run_top #(
  parameter int AxiDataWidth = 64,
  parameter int AxiAddrWidth = 32,
  parameter int MaxLayers = 4,
  parameter int MaxUnits = 1024,
  parameter int Outstanding = 16,
  parameter int MemBytes = 8 * 1024 * 1024
) ();

  localparam int VecWidth = 128;
  localparam int MaxXBeats = MaxUnits / 8;
  localparam logic [63:0] ResetCycles = 8;

  // ------------------------------------------------------------------- seen from Python

  logic         clk;
  logic         py_clk;
  logic         asleep;      // written 1: Python waits; falls when there is something to do for it
  logic         rst_n;
  logic         irq;
  logic         watch;       // written: the core has work to do, silence is a hang
  logic         go;          // written: offer x from now on
  logic         done;        // written: all is drained, let the checkers see
  logic         hang;
  logic [63:0]  cycle;
  logic [31:0]  steps_done;
  logic [31:0]  errors;      // of all checkers and the DRAM
  logic [63:0]  dram_beats;
  logic [11:0]  s_axil_awaddr;
  logic [2:0]   s_axil_awprot;
  logic         s_axil_awvalid;
  logic         s_axil_awready;
  logic [31:0]  s_axil_wdata;
  logic [3:0]   s_axil_wstrb;
  logic         s_axil_wvalid;
  logic         s_axil_wready;
  logic [1:0]   s_axil_bresp;
  logic         s_axil_bvalid;
  logic         s_axil_bready;
  logic [11:0]  s_axil_araddr;
  logic [2:0]   s_axil_arprot;
  logic         s_axil_arvalid;
  logic         s_axil_arready;
  logic [31:0]  s_axil_rdata;
  logic [1:0]   s_axil_rresp;
  logic         s_axil_rvalid;
  logic         s_axil_rready;

  initial begin
    watch = 1'b0;
    go = 1'b0;
    done = 1'b0;
    s_axil_awaddr = 0;
    s_axil_awprot = 0;
    s_axil_awvalid = 1'b0;
    s_axil_wdata = 0;
    s_axil_wstrb = 0;
    s_axil_wvalid = 1'b0;
    s_axil_bready = 1'b0;
    s_axil_araddr = 0;
    s_axil_arprot = 0;
    s_axil_arvalid = 1'b0;
    s_axil_rready = 1'b0;
  end

  // -------------------------------------------------------------------- clock and reset

  initial begin
    clk = 1'b0;
    py_clk = 1'b0;
  end

`ifndef CLOCK_FROM_MAIN
  always begin  // 125 MHz
    #4 clk = 1'b1;
    if (!asleep) begin
      #1 py_clk = 1'b1;
      #3 clk = 1'b0;
      py_clk = 1'b0;
    end else begin
      #4 clk = 1'b0;
    end
  end
`endif

  initial rst_n = 1'b0;
  always @(negedge clk) if (cycle >= ResetCycles) rst_n <= 1'b1;  // between two edges that anything samples

  initial cycle = 0;
  always @(posedge clk) cycle <= cycle + 1;

  // --------------------------------------------------------------------------- the core

  logic [0:0]              m_axi_arid;
  logic [AxiAddrWidth-1:0] m_axi_araddr;
  logic [7:0]              m_axi_arlen;
  logic [2:0]              m_axi_arsize;
  logic [1:0]              m_axi_arburst;
  logic                    m_axi_arlock;
  logic [3:0]              m_axi_arcache;
  logic [2:0]              m_axi_arprot;
  logic [3:0]              m_axi_arqos;
  logic                    m_axi_arvalid;
  logic                    m_axi_arready;
  logic [0:0]              m_axi_rid;
  logic [AxiDataWidth-1:0] m_axi_rdata;
  logic [1:0]              m_axi_rresp;
  logic                    m_axi_rlast;
  logic                    m_axi_rvalid;
  logic                    m_axi_rready;
  logic [VecWidth-1:0]     s_axis_x_tdata;
  logic                    s_axis_x_tvalid;
  logic                    s_axis_x_tready;
  logic                    s_axis_x_tlast;
  logic [VecWidth-1:0]     m_axis_h_tdata;
  logic                    m_axis_h_tuser;
  logic                    m_axis_h_tvalid;
  logic                    m_axis_h_tready;
  logic                    m_axis_h_tlast;

  // What the core drives on s_axil; the signals of that name hold it as of the last edge of clk.
  logic          core_awready;
  logic          core_wready;
  logic [1:0]    core_bresp;
  logic          core_bvalid;
  logic          core_arready;
  logic [31:0]   core_rdata;
  logic [1:0]    core_rresp;
  logic          core_rvalid;

  always @(posedge clk) begin
    s_axil_awready <= core_awready;
    s_axil_wready <= core_wready;
    s_axil_bresp <= core_bresp;
    s_axil_bvalid <= core_bvalid;
    s_axil_arready <= core_arready;
    s_axil_rdata <= core_rdata;
    s_axil_rresp <= core_rresp;
    s_axil_rvalid <= core_rvalid;
  end

  edgedrnn #(
    .AxiDataWidth(AxiDataWidth),
    .AxiAddrWidth(AxiAddrWidth),
    .MaxLayers   (MaxLayers),
    .MaxUnits    (MaxUnits),
    .Outstanding (Outstanding)
  ) u_dut (
    .clk_i (clk),
    .rst_ni(rst_n),
    .irq_o (irq),
    .s_axil_awaddr,
    .s_axil_awprot,
    .s_axil_awvalid,
    .s_axil_awready(core_awready),
    .s_axil_wdata,
    .s_axil_wstrb,
    .s_axil_wvalid,
    .s_axil_wready(core_wready),
    .s_axil_bresp(core_bresp),
    .s_axil_bvalid(core_bvalid),
    .s_axil_bready,
    .s_axil_araddr,
    .s_axil_arprot,
    .s_axil_arvalid,
    .s_axil_arready(core_arready),
    .s_axil_rdata(core_rdata),
    .s_axil_rresp(core_rresp),
    .s_axil_rvalid(core_rvalid),
    .s_axil_rready,
    .m_axi_arid,
    .m_axi_araddr,
    .m_axi_arlen,
    .m_axi_arsize,
    .m_axi_arburst,
    .m_axi_arlock,
    .m_axi_arcache,
    .m_axi_arprot,
    .m_axi_arqos,
    .m_axi_arvalid,
    .m_axi_arready,
    .m_axi_rid,
    .m_axi_rdata,
    .m_axi_rresp,
    .m_axi_rlast,
    .m_axi_rvalid,
    .m_axi_rready,
    .s_axis_x_tdata,
    .s_axis_x_tvalid,
    .s_axis_x_tready,
    .s_axis_x_tlast,
    .m_axis_h_tdata,
    .m_axis_h_tuser,
    .m_axis_h_tvalid,
    .m_axis_h_tready,
    .m_axis_h_tlast
  );

  stream_fields u_fields ();

  trace_monitor u_trace (
    .clk_i (clk),
    .rst_ni(rst_n)
  );

`ifdef REPLAY
  deep_monitor #(.AxiDataWidth(AxiDataWidth), .MaxLayers(MaxLayers), .MaxUnits(MaxUnits)) u_deep (
    .clk_i(clk), .rst_ni(rst_n)
  );
  golden_probe #(.AxiDataWidth(AxiDataWidth)) u_golden (.clk_i(clk));
`endif

  timeline_monitor #(
    .AxiDataWidth(AxiDataWidth)
  ) u_timeline (
    .clk_i (clk),
    .rst_ni(rst_n)
  );

  // ------------------------------------------------------------------------------- DRAM

  logic [31:0] dram_errors;

  axi_dram #(
    .DataWidth(AxiDataWidth),
    .AddrWidth(AxiAddrWidth),
    .MemBytes (MemBytes)
  ) u_dram (
    .clk_i        (clk),
    .rst_ni       (rst_n),
    .arid_i       (m_axi_arid),
    .araddr_i     (m_axi_araddr),
    .arlen_i      (m_axi_arlen),
    .arsize_i     (m_axi_arsize),
    .arburst_i    (m_axi_arburst),
    .arvalid_i    (m_axi_arvalid),
    .arready_o    (m_axi_arready),
    .rid_o        (m_axi_rid),
    .rdata_o      (m_axi_rdata),
    .rresp_o      (m_axi_rresp),
    .rlast_o      (m_axi_rlast),
    .rvalid_o     (m_axi_rvalid),
    .rready_i     (m_axi_rready),
    .beat_count_o (dram_beats),
    .error_count_o(dram_errors)
  );

  // --------------------------------------------------------- x source, h sink, progress

  logic [VecWidth-1:0] packet [MaxXBeats];  // the x packet being offered
  integer              x_file;
  integer              log_file;
  string               path;
  int                  x_beats;
  int                  h_beats;
  int                  steps;
  longint              interval;
  int                  hang_limit;
  int                  h_stall;
  logic [31:0]         rng;

  initial begin
    x_file = 0;
    log_file = 0;
    if ($value$plusargs("X_FILE=%s", path)) x_file = $fopen(path, "rb");
    if ($value$plusargs("LOG=%s", path)) log_file = $fopen(path, "w");
    if (!$value$plusargs("X_BEATS=%d", x_beats)) x_beats = 1;
    if (!$value$plusargs("H_BEATS=%d", h_beats)) h_beats = 1;
    if (!$value$plusargs("STEPS=%d", steps)) steps = 0;
    if (!$value$plusargs("INTERVAL=%d", interval)) interval = 0;
    if (!$value$plusargs("HANG=%d", hang_limit)) hang_limit = 100000;
    if (!$value$plusargs("H_STALL=%d", h_stall)) h_stall = 0;
    if (!$value$plusargs("H_STALL_SEED=%d", rng)) rng = 1;
    rng = (rng * 32'd2654435761) ^ 32'h7f4a7c15;
    if (rng == 0) rng = 1;
    if (steps != 0 && (x_file == 0 || log_file == 0)) begin
      $display("RUN %m: cannot open the files of +X_FILE and +LOG");
      $fatal(1);
    end
  end

  logic   started;     // go has been seen
  logic   launch;      // offer the next x packet from the next cycle on
  int     offered;     // x packets offered so far
  int     x_beat;
  longint countdown;   // cycles until launch
  int     got;
  int     quiet;       // cycles since anything moved
  logic   finished;    // the last step is over

  initial begin
    started = 1'b0;
    offered = 0;
    x_beat = 0;
    countdown = 0;
    quiet = 0;
    finished = 1'b0;
    s_axis_x_tdata = 0;
    s_axis_x_tvalid = 1'b0;
    s_axis_x_tlast = 1'b0;
    m_axis_h_tready = 1'b0;
    steps_done = 0;
    asleep = 1'b0;
    hang = 1'b0;
  end

  // verilator lint_off BLKSEQ
  always @(posedge clk) begin
    if (rst_n) begin
      launch = 1'b0;
      if (go && !started) begin
        started = 1'b1;
        launch = steps != 0;
      end
      if (countdown != 0) begin
        countdown = countdown - 1;
        launch = countdown == 0;
        quiet = 0;
      end

      // h: take, note, and decide when the next x comes.
      if (m_axis_h_tvalid && m_axis_h_tready) begin
        quiet = 0;
        $fwrite(log_file, "H %h\n", m_axis_h_tdata);
        if (m_axis_h_tlast) begin
          $fwrite(log_file, "Y %0d %0d %0d\n", steps_done, cycle, dram_beats);
          $fflush(log_file);
          steps_done <= steps_done + 1;
          if (offered < steps) begin
            if (interval == 0) launch = 1'b1;
            else countdown = interval;
          end
          finished = int'(steps_done) + 1 == steps;
        end
      end
      if (h_stall != 0) begin
        rng = rng ^ (rng << 13);
        rng = rng ^ (rng >> 17);
        rng = rng ^ (rng << 5);
        m_axis_h_tready <= (rng >> 8) % 1000 >= h_stall;
      end else begin
        m_axis_h_tready <= 1'b1;
      end

      // x: offer beat after beat.
      if (s_axis_x_tvalid && s_axis_x_tready) begin
        quiet = 0;
        x_beat = x_beat + 1;
        s_axis_x_tvalid <= x_beat != x_beats;
        s_axis_x_tdata <= x_beat != x_beats ? packet[x_beat] : {VecWidth{1'bx}};
        s_axis_x_tlast <= x_beat == x_beats - 1;
      end
      if (launch) begin
        got = $fread(packet, x_file, 0, x_beats);
        if (got != x_beats * (VecWidth / 8)) begin
          $display("RUN %m: the file of +X_FILE ends in step %0d", offered);
          $fatal(1);
        end
        $fwrite(log_file, "X %0d %0d\n", offered, cycle + 1);
        offered = offered + 1;
        x_beat = 0;
        s_axis_x_tvalid <= 1'b1;
        s_axis_x_tdata <= packet[0];
        s_axis_x_tlast <= x_beats == 1;
      end

      // Things that Python must see at once.
      if (m_axi_rvalid && m_axi_rready) quiet = 0;
      else if (m_axi_arvalid && m_axi_arready) quiet = 0;
      quiet = watch ? quiet + 1 : 0;
      if (quiet > hang_limit && !hang) begin
        $display("RUN %m: HANG nothing has moved on x, h or the weight port for %0d cycles, step %0d",
                 hang_limit, steps_done);
        hang <= 1'b1;
      end
      if (asleep && (finished || hang || irq || errors != 0)) asleep <= 1'b0;
    end
  end
  // verilator lint_on BLKSEQ

  // --------------------------------------------------------------------------- checkers

  logic [31:0] axi_errors;
  logic [31:0] axil_errors;
  logic [31:0] x_errors;
  logic [31:0] h_errors;
  assign errors = dram_errors + axi_errors + axil_errors + x_errors + h_errors;

  axi_checker #(
    .DataWidth     (AxiDataWidth),
    .AddrWidth     (AxiAddrWidth),
    .MaxOutstanding(Outstanding)
  ) u_axi_checker (
    .clk_i        (clk),
    .rst_ni       (rst_n),
    .done_i       (done),
    .misuse_i     (1'b0),
    .arid_i       (m_axi_arid),
    .araddr_i     (m_axi_araddr),
    .arlen_i      (m_axi_arlen),
    .arsize_i     (m_axi_arsize),
    .arburst_i    (m_axi_arburst),
    .arlock_i     (m_axi_arlock),
    .arcache_i    (m_axi_arcache),
    .arprot_i     (m_axi_arprot),
    .arqos_i      (m_axi_arqos),
    .arvalid_i    (m_axi_arvalid),
    .arready_i    (m_axi_arready),
    .rid_i        (m_axi_rid),
    .rdata_i      (m_axi_rdata),
    .rresp_i      (m_axi_rresp),
    .rlast_i      (m_axi_rlast),
    .rvalid_i     (m_axi_rvalid),
    .rready_i     (m_axi_rready),
    .error_count_o(axi_errors)
  );

  axil_checker u_axil_checker (
    .clk_i        (clk),
    .rst_ni       (rst_n),
    .done_i       (done),
    .awaddr_i     (s_axil_awaddr),
    .awprot_i     (s_axil_awprot),
    .awvalid_i    (s_axil_awvalid),
    .awready_i    (core_awready),
    .wdata_i      (s_axil_wdata),
    .wstrb_i      (s_axil_wstrb),
    .wvalid_i     (s_axil_wvalid),
    .wready_i     (core_wready),
    .bresp_i      (core_bresp),
    .bvalid_i     (core_bvalid),
    .bready_i     (s_axil_bready),
    .araddr_i     (s_axil_araddr),
    .arprot_i     (s_axil_arprot),
    .arvalid_i    (s_axil_arvalid),
    .arready_i    (core_arready),
    .rdata_i      (core_rdata),
    .rresp_i      (core_rresp),
    .rvalid_i     (core_rvalid),
    .rready_i     (s_axil_rready),
    .error_count_o(axil_errors)
  );

  axis_checker #(
    .DataWidth(VecWidth)
  ) u_x_checker (
    .clk_i           (clk),
    .rst_ni          (rst_n),
    .done_i          (done),
    .expected_beats_i(x_beats[15:0]),
    .tdata_i         (s_axis_x_tdata),
    .tuser_i         (1'b0),
    .tlast_i         (s_axis_x_tlast),
    .tvalid_i        (s_axis_x_tvalid),
    .tready_i        (s_axis_x_tready),
    .error_count_o   (x_errors)
  );

  axis_checker #(
    .DataWidth(VecWidth)
  ) u_h_checker (
    .clk_i           (clk),
    .rst_ni          (rst_n),
    .done_i          (done),
    .expected_beats_i(h_beats[15:0]),
    .tdata_i         (m_axis_h_tdata),
    .tuser_i         (m_axis_h_tuser),
    .tlast_i         (m_axis_h_tlast),
    .tvalid_i        (m_axis_h_tvalid),
    .tready_i        (m_axis_h_tready),
    .error_count_o   (h_errors)
  );

endmodule

`default_nettype wire
