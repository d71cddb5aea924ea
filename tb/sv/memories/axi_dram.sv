// SPDX-License-Identifier: Apache-2.0
// AXI4 read-only memory for long runs: contents, timing and stalls all come from plusargs, so that
// one build serves every memory. It works in two modes.
//
//   ideal   a beat every cycle. An address taken in cycle c has its first beat in cycle c+1;
//           queued bursts follow one another without a bubble.
//   ddr3l   one rank of DDR3 behind a memory controller: banks with open rows, activate, precharge,
//           four-activate window, refresh, a data bus shared by all banks, a fixed way in and out,
//           and a read FIFO that limits how far the DRAM runs ahead of the port:
//
//             AR -> queue -> [front] -> bank: PRE, ACT, RD -> data bus -> FIFO -> [back] -> R
//
//           Requests are served in order in pieces of ChunkBytes. The row of a waiting request is
//           opened while another bank still streams. Times are kept in picoseconds.
//
// Contents: +DRAM_IMAGE=FILE holds beats of DataWidth bits, most significant byte first, and
// FILE.map one line for each region: first byte address, bytes (both hexadecimal), in the order
// in which the regions lie in FILE. The regions may lie anywhere in the address space. A burst
// that is not wholly inside one region answers DECERR with a pattern, and is an error: nothing
// aliases and unwritten memory is never read unnoticed.
//
//   +DRAM_MODE=0|1            ideal, ddr3l
//   +DRAM_OUTSTANDING=N       bursts accepted and not yet finished, 1 to QueueDepth
//   +DRAM_STALL_AR=P          chance that arready is low in a cycle, in 1/1000
//   +DRAM_STALL_R=P           chance that a beat waits one more cycle, in 1/1000
//   +DRAM_STALL_SEED=S
//   ddr3l, all in ps but for the counts and powers of two:
//   +DRAM_PORT_PERIOD +DRAM_TCK +DRAM_TRCD +DRAM_TRP +DRAM_TRAS +DRAM_TCL +DRAM_TRRD +DRAM_TFAW
//   +DRAM_TRTP +DRAM_TREFI +DRAM_TRFC +DRAM_FRONT +DRAM_BACK +DRAM_FIFO_BYTES +DRAM_BUS_BYTES
//   +DRAM_LOG2_ROW_BYTES +DRAM_LOG2_BANKS

`default_nettype none

module axi_dram #(
  parameter int DataWidth = 64,
  parameter int AddrWidth = 32,
  parameter int IdWidth = 1,
  parameter int MemBytes = 8 * 1024 * 1024,
  parameter int QueueDepth = 64,   // power of two
  parameter int MaxRegions = 64,
  parameter int MaxMessages = 20
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic [IdWidth-1:0]   arid_i,
  input  logic [AddrWidth-1:0] araddr_i,
  input  logic [7:0]           arlen_i,
  input  logic [2:0]           arsize_i,
  input  logic [1:0]           arburst_i,
  input  logic                 arvalid_i,
  output logic                 arready_o,
  output logic [IdWidth-1:0]   rid_o,
  output logic [DataWidth-1:0] rdata_o,
  output logic [1:0]           rresp_o,
  output logic                 rlast_o,
  output logic                 rvalid_o,
  input  logic                 rready_i,
  output logic [63:0]          beat_count_o,   // beats taken since time 0
  output logic [31:0]          error_count_o
);

  localparam int BusBytes = DataWidth / 8;
  localparam longint BeatBytes = longint'(BusBytes);  // the same at the width of addresses and times
  localparam int BusSize = $clog2(BusBytes);
  localparam int Depth = MemBytes / BusBytes;
  localparam int ChunkBytes = 128;
  localparam int ChunkBeats = ChunkBytes / BusBytes;
  localparam int ChunkQueue = 64;              // scheduled chunks not yet finished, power of two
  localparam int MaxBanks = 16;
  localparam logic [1:0] RespOkay = 2'd0;
  localparam logic [1:0] RespDecErr = 2'd3;
  localparam logic [1:0] BurstIncr = 2'd1;

  // ------------------------------------------------------------------------------- contents

  logic [DataWidth-1:0] mem [Depth];
  longint region_base  [MaxRegions];  // in beats of the address space
  longint region_beats [MaxRegions];
  int     region_index [MaxRegions];  // where the region lies in mem
  int     regions;
  int     total_beats;

  string  image_path;
  int     image_fd;
  int     map_fd;
  int     scanned;
  longint map_base;
  longint map_bytes;

  initial begin
    error_count_o = 0;
    regions = 0;
    total_beats = 0;
    if ($value$plusargs("DRAM_IMAGE=%s", image_path)) begin
      map_fd = $fopen({image_path, ".map"}, "r");
      image_fd = $fopen(image_path, "rb");
      if (map_fd == 0 || image_fd == 0) begin
        error_count_o = error_count_o + 1;
        $display("DRAM %m: IMAGE cannot open %s or its .map", image_path);
      end else begin
        scanned = $fscanf(map_fd, "%h %h", map_base, map_bytes);
        while (scanned == 2) begin
          if (regions == MaxRegions || (map_base % BeatBytes) != 0 || (map_bytes % BeatBytes) != 0
              || map_bytes > longint'(MemBytes) || total_beats > Depth - int'(map_bytes / BeatBytes)) begin
            error_count_o = error_count_o + 1;
            $display("DRAM %m: IMAGE region %0d at %h, %0d bytes, does not fit", regions, map_base,
                     map_bytes);
            scanned = 0;
          end else begin
            region_base[regions] = map_base / BeatBytes;
            region_beats[regions] = map_bytes / BeatBytes;
            region_index[regions] = total_beats;
            total_beats = total_beats + int'(map_bytes / BeatBytes);
            regions = regions + 1;
            scanned = $fscanf(map_fd, "%h %h", map_base, map_bytes);
          end
        end
        scanned = 0;
        if (total_beats != 0) scanned = $fread(mem, image_fd, 0, total_beats);
        if (scanned != total_beats * BusBytes) begin
          error_count_o = error_count_o + 1;
          $display("DRAM %m: IMAGE %s holds %0d bytes, its map says %0d", image_path, scanned,
                   total_beats * BusBytes);
        end
        $fclose(map_fd);
        $fclose(image_fd);
      end
    end
  end

  // ---------------------------------------------------------------------------- parameters

  int     mode;
  int     max_outstanding;
  int     stall_ar;
  int     stall_r;
  logic [31:0] rng;
  longint period;
  longint t_ck, t_rcd, t_rp, t_ras, t_cl, t_rrd, t_faw, t_rtp, t_refi, t_rfc;
  longint t_front, t_back, t_piece;
  int     fifo_beats;
  int     dram_bus_bytes;
  int     log2_row;
  int     log2_banks;

  initial begin
    if (!$value$plusargs("DRAM_MODE=%d", mode)) mode = 0;
    if (!$value$plusargs("DRAM_OUTSTANDING=%d", max_outstanding)) max_outstanding = QueueDepth;
    if (max_outstanding > QueueDepth) max_outstanding = QueueDepth;
    if (!$value$plusargs("DRAM_STALL_AR=%d", stall_ar)) stall_ar = 0;
    if (!$value$plusargs("DRAM_STALL_R=%d", stall_r)) stall_r = 0;
    if (!$value$plusargs("DRAM_STALL_SEED=%d", rng)) rng = 1;
    rng = (rng * 32'd2654435761) ^ 32'h9e3779b9;
    if (rng == 0) rng = 32'h1;
    // The defaults stand in for numbers not given; tb/tables/dram holds the real ones.
    if (!$value$plusargs("DRAM_PORT_PERIOD=%d", period)) period = 8000;
    if (!$value$plusargs("DRAM_TCK=%d", t_ck)) t_ck = 1875;
    if (!$value$plusargs("DRAM_TRCD=%d", t_rcd)) t_rcd = 0;
    if (!$value$plusargs("DRAM_TRP=%d", t_rp)) t_rp = 0;
    if (!$value$plusargs("DRAM_TRAS=%d", t_ras)) t_ras = 0;
    if (!$value$plusargs("DRAM_TCL=%d", t_cl)) t_cl = 0;
    if (!$value$plusargs("DRAM_TRRD=%d", t_rrd)) t_rrd = 0;
    if (!$value$plusargs("DRAM_TFAW=%d", t_faw)) t_faw = 0;
    if (!$value$plusargs("DRAM_TRTP=%d", t_rtp)) t_rtp = 0;
    if (!$value$plusargs("DRAM_TREFI=%d", t_refi)) t_refi = 0;
    if (!$value$plusargs("DRAM_TRFC=%d", t_rfc)) t_rfc = 0;
    if (!$value$plusargs("DRAM_FRONT=%d", t_front)) t_front = 0;
    if (!$value$plusargs("DRAM_BACK=%d", t_back)) t_back = 0;
    if (!$value$plusargs("DRAM_FIFO_BYTES=%d", fifo_beats)) fifo_beats = 1024;
    fifo_beats = fifo_beats / BusBytes;
    if (!$value$plusargs("DRAM_BUS_BYTES=%d", dram_bus_bytes)) dram_bus_bytes = 2;
    if (!$value$plusargs("DRAM_LOG2_ROW_BYTES=%d", log2_row)) log2_row = 11;
    if (!$value$plusargs("DRAM_LOG2_BANKS=%d", log2_banks)) log2_banks = 3;
    if (log2_banks > $clog2(MaxBanks)) log2_banks = $clog2(MaxBanks);
    t_piece = 4 * t_ck;  // one burst of eight on the DRAM's data bus
    next_refresh = t_refi;
  end

  // ------------------------------------------------------------------------ bursts accepted

  // Queue of bursts, oldest at head. In ddr3l mode schedule points at the burst whose chunks are
  // being handed to the DRAM; it runs ahead of head.
  longint             burst_addr [QueueDepth];   // byte address, for bank and row
  int                 burst_index[QueueDepth];   // of the first beat in mem
  logic               burst_wild [QueueDepth];
  logic [7:0]         burst_len  [QueueDepth];
  logic [IdWidth-1:0] burst_id   [QueueDepth];
  longint             burst_time [QueueDepth];   // when its address was taken, ps
  int                 head;
  int                 tail;
  int                 count;
  int                 beat;                      // of the head burst

  // ------------------------------------------------------------------------------ the DRAM

  longint now;
  int     schedule;        // burst being scheduled
  int     schedule_left;   // bursts from there to the tail
  int     schedule_beat;
  int     ahead_beats;     // scheduled and not yet on the port
  longint chunk_ready [ChunkQueue];  // when the port may have its first beat
  int     chunk_beats [ChunkQueue];
  int     chunk_head;
  int     chunk_tail;
  int     chunk_count;
  int     chunk_beat;      // beats of the head chunk already given

  longint bank_row     [MaxBanks];   // -1: closed
  longint bank_act_ok  [MaxBanks];   // earliest ACT of a closed bank
  longint bank_pre_ok  [MaxBanks];   // earliest PRE of an open one
  longint bank_read_ok [MaxBanks];   // earliest RD of an open one
  longint last_act     [4];          // the last four ACTs, oldest at act_slot
  int     act_slot;
  longint bus_free;
  longint next_refresh;
  longint refresh_end;

  int     beats_now, pieces;
  logic [$clog2(MaxBanks)-1:0] bank;
  longint row, address, t_request, t_act, t_read, t_data, t_end;

  // The DRAM's answer to one chunk. Called with bank, row, t_request, pieces set; sets t_data.
  task automatic serve_chunk;
    begin
      find_read_time;
      t_data = t_read + t_cl;
      t_end = t_data + pieces * t_piece;
      // A chunk that would still be on the bus when a refresh falls due waits until after it.
      while (t_refi != 0 && t_end > next_refresh) begin
        refresh_end = (bus_free > next_refresh ? bus_free : next_refresh) + t_rp + t_rfc;
        for (int b = 0; b < MaxBanks; b++) begin
          bank_row[b] = -1;
          bank_act_ok[b] = refresh_end;
        end
        next_refresh = next_refresh + t_refi;
        find_read_time;
        t_data = t_read + t_cl;
        t_end = t_data + pieces * t_piece;
      end
      if (bank_row[bank] != row) begin
        bank_row[bank] = row;
        bank_pre_ok[bank] = t_act + t_ras;
        bank_read_ok[bank] = t_act + t_rcd;
        last_act[act_slot] = t_act;
        act_slot = (act_slot + 1) % 4;
      end
      bus_free = t_end;
      if (bank_pre_ok[bank] < t_end - t_piece - t_cl + t_rtp)
        bank_pre_ok[bank] = t_end - t_piece - t_cl + t_rtp;
    end
  endtask

  // Earliest ACT (t_act, when the row is not open) and RD (t_read) for bank and row.
  task automatic find_read_time;
    begin
      if (bank_row[bank] == row) begin
        t_read = bank_read_ok[bank];
      end else begin
        if (bank_row[bank] == -1) begin
          t_act = bank_act_ok[bank];
          if (t_act < t_request) t_act = t_request;
        end else begin
          t_act = bank_pre_ok[bank];
          if (t_act < t_request) t_act = t_request;
          t_act = t_act + t_rp;
        end
        if (t_act < last_act[(act_slot + 3) % 4] + t_rrd)
          t_act = last_act[(act_slot + 3) % 4] + t_rrd;
        if (t_act < last_act[act_slot] + t_faw) t_act = last_act[act_slot] + t_faw;
        t_read = t_act + t_rcd;
      end
      if (t_read < t_request) t_read = t_request;
      if (t_read < now) t_read = now;             // there was no room in the FIFO before
      if (t_read < bus_free - t_cl) t_read = bus_free - t_cl;
    end
  endtask

  // Hand the next chunk to the DRAM if one waits and the FIFO has room.
  task automatic schedule_chunk;
    begin
      address = burst_addr[schedule] + schedule_beat * BusBytes;
      beats_now = ChunkBeats - int'((address / BeatBytes) % longint'(ChunkBeats));
      if (beats_now > int'(burst_len[schedule]) + 1 - schedule_beat)
        beats_now = int'(burst_len[schedule]) + 1 - schedule_beat;
      if (chunk_count < ChunkQueue && ahead_beats + beats_now <= fifo_beats) begin
        bank = $clog2(MaxBanks)'((address >> log2_row) & ((1 << log2_banks) - 1));
        row = address >> (log2_row + log2_banks);
        pieces = (beats_now * BusBytes + 8 * dram_bus_bytes - 1) / (8 * dram_bus_bytes);
        t_request = burst_time[schedule] + t_front;
        serve_chunk;
        chunk_ready[chunk_tail] = t_data + t_piece + t_back;
        chunk_beats[chunk_tail] = beats_now;
        chunk_tail = (chunk_tail + 1) % ChunkQueue;
        chunk_count = chunk_count + 1;
        ahead_beats = ahead_beats + beats_now;
        schedule_beat = schedule_beat + beats_now;
        if (schedule_beat == int'(burst_len[schedule]) + 1) begin
          schedule_beat = 0;
          schedule = (schedule + 1) % QueueDepth;
          schedule_left = schedule_left - 1;
        end
      end
    end
  endtask

  // --------------------------------------------------------------------------- every cycle

  int     hit;
  longint ar_beat;
  int     ar_beats;
  logic   may_give;
  logic   valid;

  task automatic forget;
    begin
      head = 0;
      tail = 0;
      count = 0;
      beat = 0;
      schedule = 0;
      schedule_left = 0;
      schedule_beat = 0;
      ahead_beats = 0;
      chunk_head = 0;
      chunk_tail = 0;
      chunk_count = 0;
      chunk_beat = 0;
      valid = 1'b0;
    end
  endtask

  initial begin
    now = 0;
    beat_count_o = 0;
    arready_o = 1'b0;
    rvalid_o = 1'b0;
    act_slot = 0;
    bus_free = 0;
    for (int b = 0; b < MaxBanks; b++) begin
      bank_row[b] = -1;
      bank_act_ok[b] = 0;
      bank_pre_ok[b] = 0;
      bank_read_ok[b] = 0;
    end
    for (int a = 0; a < 4; a++) last_act[a] = -1000000;
    forget;
  end

  // verilator lint_off BLKSEQ
  always @(posedge clk_i) begin
    now = now + period;  // from here on: the time at which the next cycle begins
    if (rst_ni !== 1'b1) begin
      forget;
      arready_o <= 1'b0;
      rvalid_o <= 1'b0;
    end else begin
      // A beat taken: on to the next one.
      if (valid && rready_i === 1'b1) begin
        valid = 1'b0;
        beat_count_o <= beat_count_o + 1;
        if (mode != 0) begin
          ahead_beats = ahead_beats - 1;
          chunk_beat = chunk_beat + 1;
          if (chunk_beat == chunk_beats[chunk_head]) begin
            chunk_beat = 0;
            chunk_head = (chunk_head + 1) % ChunkQueue;
            chunk_count = chunk_count - 1;
          end
        end
        if (beat == int'(burst_len[head])) begin
          beat = 0;
          head = (head + 1) % QueueDepth;
          count = count - 1;
        end else begin
          beat = beat + 1;
        end
      end

      // An address taken: find its region.
      if (arvalid_i === 1'b1 && arready_o) begin
        ar_beat = longint'({32'd0, 32'(araddr_i)}) / BeatBytes;
        ar_beats = int'(arlen_i) + 1;
        hit = -1;
        for (int i = 0; i < regions; i++)
          if (ar_beat >= region_base[i] && ar_beat + longint'(ar_beats) <= region_base[i] + region_beats[i])
            hit = i;
        if (hit < 0) begin
          error_count_o = error_count_o + 1;
          if (error_count_o <= MaxMessages)
            $display("DRAM %m: WILD read of %0d beats at address %h outside what was written at %0t",
                     ar_beats, araddr_i, $time);
        end
        if (arburst_i !== BurstIncr || int'(arsize_i) != BusSize
            || (araddr_i & AddrWidth'(BusBytes - 1)) != 0) begin
          error_count_o = error_count_o + 1;
          if (error_count_o <= MaxMessages)
            $display("DRAM %m: KIND arburst %b, arsize %0d, address %h: only aligned INCR bursts %s",
                     arburst_i, arsize_i, araddr_i, "of full width are served");
        end
        burst_addr[tail] = ar_beat * BusBytes;
        burst_wild[tail] = hit < 0;
        burst_index[tail] = 0;
        if (hit >= 0) burst_index[tail] = region_index[hit] + int'(ar_beat - region_base[hit]);
        burst_len[tail] = arlen_i;
        burst_id[tail] = arid_i;
        burst_time[tail] = now - period;
        tail = (tail + 1) % QueueDepth;
        count = count + 1;
        schedule_left = schedule_left + 1;
      end

      if (mode != 0 && schedule_left != 0) schedule_chunk;

      // What the port shows in the next cycle. A beat once shown stays.
      if (!valid && count != 0) begin
        may_give = mode == 0 || (chunk_count != 0
                   && now >= chunk_ready[chunk_head]
                             + ((chunk_beat * BusBytes) / (8 * dram_bus_bytes)) * t_piece);
        if (may_give && stall_r != 0) begin
          step_rng;
          may_give = (rng >> 8) % 1000 >= stall_r;
        end
        valid = may_give;
        if (valid) begin
          rid_o <= burst_id[head];
          rdata_o <= burst_wild[head] ? {DataWidth / 32{32'hdeadbeef}}
                                      : mem[burst_index[head] + beat];
          rresp_o <= burst_wild[head] ? RespDecErr : RespOkay;
          rlast_o <= beat == int'(burst_len[head]);
        end
      end
      rvalid_o <= valid;
      if (!valid) begin  // nobody may look at a beat that is not there
        rid_o <= {IdWidth{1'bx}};
        rdata_o <= {DataWidth{1'bx}};
        rresp_o <= 2'bxx;
        rlast_o <= 1'bx;
      end

      if (stall_ar != 0) begin
        step_rng;
        arready_o <= count < max_outstanding && (rng >> 8) % 1000 >= stall_ar;
      end else begin
        arready_o <= count < max_outstanding;
      end
    end
  end
  // verilator lint_on BLKSEQ

  task automatic step_rng;  // xorshift
    begin
      rng = rng ^ (rng << 13);
      rng = rng ^ (rng >> 17);
      rng = rng ^ (rng << 5);
    end
  endtask

endmodule

`default_nettype wire
