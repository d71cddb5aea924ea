// SPDX-License-Identifier: Apache-2.0
// Formats and limits of the accelerator: the one place where a width is a number.
// golden/fixed.py states what the golden model needs of it, and tb/tests/rtl/test_edgedrnn_pkg.py compares the two;
// tb/device/constants.py is generated from it.
`default_nettype none

package edgedrnn_pkg;

  // Q8.8: inputs, hidden states, references, deltas, thresholds.
  localparam int ActBits    = 16;
  localparam int ActFrac    = 8;
  // Q1.7 weights; Q17.15 delta memories and biases.
  localparam int WeightBits = 8;
  localparam int WeightFrac = 7;
  localparam int AccBits    = 32;
  localparam int AccFrac    = 15;
  // Outputs of sigma and tanh carry 8 fraction bits, of which lut_frac are used.
  localparam int GateFrac   = 8;
  localparam int SigBits    = GateFrac + 1;  // 0 ... 256
  localparam int TanhBits   = GateFrac + 2;  // -256 ... 256, signed
  localparam int LutFracMin = 4;
  localparam int LutFracMax = 8;

  // Limits of a network, whatever the build parameters say.
  localparam int LayerBits  = 3;             // up to 8 layers
  localparam int UnitBits   = 10;            // index of an input or unit, up to 1024
  localparam int SizeBits   = UnitBits + 1;  // a count of them
  localparam int ThetaBits  = ActBits - 1;   // thresholds are not negative
  localparam int HiddenStep = 8;             // H is a multiple of this
  localparam int MinHidden  = 8;

  // Vectors move through the encoder and the streams 8 elements at a time, through the gates 4 at a time.
  localparam int VecLanes   = 8;
  localparam int VecWidth   = VecLanes * ActBits;
  localparam int VecBits    = UnitBits - 3;  // index of a vector of 8
  localparam int QuadLanes  = 4;
  localparam int QuadBits   = UnitBits - 2;  // index of a quad of 4

  // The widest count of beats that one fetch may ask for: the biases of 1024 units at 32 bits.
  localparam int FetchBits  = 13;

  // What travels from the encoder to the PEs.
  typedef enum logic [1:0] {
    EntryColumn = 2'd0,  // one weight column, times delta
    EntryBias   = 2'd1,  // the initial delta memories of a layer
    EntryEnd    = 2'd2   // a pass is over; with `last`, the gates of the layer may run
  } entry_e;

  // What the encoder is told to do.
  typedef enum logic [1:0] {
    PassX    = 2'd0,     // input vector against its reference
    PassH    = 2'd1,     // hidden state against its reference
    PassInit = 2'd2,     // fetch biases, clear references and hidden state
    PassUndo = 2'd3      // take back the last PassH of the layer, exactly
  } pass_e;

  // A region of a layer in DRAM, in the order of the checks; in ERROR.INFO after a fault of the configuration.
  typedef enum logic [1:0] {
    RegionWx   = 2'd0,
    RegionWh   = 2'd1,
    RegionBias = 2'd2
  } region_e;

  localparam logic KindX = 1'b0;
  localparam logic KindH = 1'b1;

  // The four delta memories, in the order of the bias region in DRAM.
  localparam int BankR  = 0;
  localparam int BankZ  = 1;
  localparam int BankNx = 2;
  localparam int BankNh = 3;
  localparam int Banks  = 4;

  // Stages of the gate pipeline. A register `x5` belongs to stage 5; monitors and golden/timing.py use these names.
  localparam int StageReadR  = 0;            // M_r of a quad is read
  localparam int StageReadZ  = 1;
  localparam int StageReadN  = 2;            // M_nx and M_nh
  localparam int StageSums   = 4;            // all four sums of the quad are captured
  localparam int StageR      = 5;            // r is known
  localparam int StageTanh   = 8;            // z and the argument of tanh are known; h_{t-1} is read
  localparam int StageHidden = StageTanh + 1;  // the vector of h_{t-1} is at the memory's output
  localparam int StageBlend  = 10;           // n and h_{t-1} are known
  localparam int StageWrite  = 12;           // h_t is written

  // Plain numbers: Icarus 11 does not resolve a package's parameters in a typedef used by a port.
  typedef logic signed [15:0] act_t;
  typedef logic signed [31:0] acc_t;

  // ---- What travels between modules ---------------------------------------------------------------------------------
  // From the sequencer to the encoder.
  typedef struct packed {
    pass_e                op;
    logic [LayerBits-1:0] layer;
    logic                 last;        // copied into the EntryEnd: the gates may run after this pass
    logic [SizeBits-1:0]  size;        // elements to walk (PassInit: the larger of inputs and units)
    logic [ThetaBits-1:0] theta;
  } pass_t;

  // From the encoder to column_fetch.
  typedef struct packed {
    entry_e                    op;
    logic [LayerBits-1:0]      layer;
    logic                      kind;   // KindX or KindH
    logic                      last;
    logic                      undo;   // of a PassUndo
    logic [UnitBits-1:0]       index;
    logic signed [ActBits-1:0] delta;
  } entry_t;

  // From column_fetch through the work queue to the PEs.
  typedef struct packed {
    entry_e                    op;
    logic [LayerBits-1:0]      layer;
    logic                      kind;
    logic                      last;
    logic [SizeBits-1:0]       last_group;  // groups of the layer, less one
    logic signed [ActBits-1:0] delta;
  } work_t;

  // Clip a wider two's complement number to Q8.8.
  function automatic act_t sat16(input logic signed [AccBits+3:0] a);
    if (a > 36'sd32767) return 16'sh7fff;
    if (a < -36'sd32768) return 16'sh8000;
    return a[ActBits-1:0];
  endfunction

endpackage

`default_nettype wire
