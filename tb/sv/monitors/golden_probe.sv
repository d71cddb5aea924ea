// SPDX-License-Identifier: Apache-2.0
// The golden model's values as signals beside the core's, for waveforms: in a replay build, with +GOLDEN=file.
//
// A line of the file is: time in ns (decimal), a kind, a value in hex. At the clock edge of that time the register of
// the kind takes the value, and `mismatch` says whether the core has another one there.
//
//   C {layer, kind, index, delta}  the firing element that column_fetch asks for   E as C: all of them are asked for
//   S word                         partial sums that pe_array writes
//   M {nh, nx, z, r}               delta memories of 4 units as the gates read them, a quad each
//   R {z, r}    N n    H h         gates and hidden states of 4 units
//   Y beat                         8 elements of h on the bus
`default_nettype none

module golden_probe
  import edgedrnn_pkg::*;
#(
  parameter int AxiDataWidth = 64
) (
  input logic clk_i
);
  `include "core_taps.svh"

  localparam int WordWidth = AxiDataWidth / WeightBits * AccBits;
  localparam int QuadWidth = QuadLanes * AccBits;
  localparam int Widest    = (WordWidth > Banks * QuadWidth) ? WordWidth : Banks * QuadWidth;

  integer              file, fields;
  reg [4095:0]         path;
  logic                waiting;       // a line has been read that is not yet due
  longint              due;
  reg [7:0]            code;
  logic [Widest-1:0]   value;

  // The last value of each kind, and the time at which it was expected.
  logic [LayerBits-1:0]         column_layer;
  logic                         column_kind;
  logic [UnitBits-1:0]          column_index;
  logic signed [ActBits-1:0]    column_delta;
  logic [WordWidth-1:0]         partial_sum;
  logic [Banks*QuadWidth-1:0]   memory;
  logic [QuadLanes*SigBits-1:0] r, z;
  logic [QuadLanes*TanhBits-1:0] n;
  logic [QuadLanes*ActBits-1:0] h;
  logic [VecWidth-1:0]          h_beat;
  logic                         mismatch;
  logic                         ever_mismatched;

  // The same, a signal for each unit of the quad.
  for (genvar i = 0; i < QuadLanes; i++) begin : gen_lane
    wire signed [AccBits-1:0]  m_r    = memory[BankR *QuadWidth + i*AccBits +: AccBits];
    wire signed [AccBits-1:0]  m_z    = memory[BankZ *QuadWidth + i*AccBits +: AccBits];
    wire signed [AccBits-1:0]  m_nx   = memory[BankNx*QuadWidth + i*AccBits +: AccBits];
    wire signed [AccBits-1:0]  m_nh   = memory[BankNh*QuadWidth + i*AccBits +: AccBits];
    wire        [SigBits-1:0]  gate_r = r[i*SigBits +: SigBits];
    wire        [SigBits-1:0]  gate_z = z[i*SigBits +: SigBits];
    wire signed [TanhBits-1:0] gate_n = n[i*TanhBits +: TanhBits];
    wire signed [ActBits-1:0]  unit_h = h[i*ActBits +: ActBits];
  end

  task automatic next_line;
    fields  = $fscanf(file, "%d %s %h", due, code, value);
    waiting = (fields == 3);
  endtask

  initial begin
    file = 0;
    waiting = 1'b0;
    {column_layer, column_kind, column_index, column_delta} = '0;
    {partial_sum, memory, r, z, n, h, h_beat} = '0;
    mismatch = 1'b0;
    ever_mismatched = 1'b0;
    if ($value$plusargs("GOLDEN=%s", path)) begin
      file = $fopen(path, "r");
      if (file == 0) $fatal(1, "golden_probe: cannot open the file of +GOLDEN");
      next_line;
    end
  end

  logic differs;
  always @(posedge clk_i) begin
    mismatch = 1'b0;
    while (waiting && due <= $time) begin
      differs = 1'b0;
      case (code)
        "C", "E": begin
          {column_layer, column_kind, column_index, column_delta} = value[LayerBits+1+UnitBits+ActBits-1:0];
          differs = (code == "C") && {`tap_push_layer, `tap_push_kind, `tap_fetch_index, `tap_push_delta}
                 !== {column_layer, column_kind, column_index, column_delta};
        end
        "S": begin
          partial_sum = value[WordWidth-1:0];
          differs = (`tap_pe_sum !== partial_sum);
        end
        "M": begin
          memory  = value[Banks*QuadWidth-1:0];
          differs = {`tap_gates_m[BankNh*QuadWidth +: QuadWidth],
                     `tap_gates_m[BankNx*QuadWidth +: QuadWidth], u_trace.m4_z, u_trace.m4_r} !== memory;
        end
        "R": begin
          {z, r}  = value[2*QuadLanes*SigBits-1:0];
          differs = {u_trace.z, u_trace.r8} !== {z, r};
        end
        "N": begin
          n = value[QuadLanes*TanhBits-1:0];
          differs = (u_trace.n !== n);
        end
        "H": begin
          h = value[QuadLanes*ActBits-1:0];
          differs = (`tap_h_wdata !== h);
        end
        "Y": begin
          h_beat  = value[VecWidth-1:0];
          differs = (`tap_m_axis_h_tdata !== h_beat);
        end
        default: ;
      endcase
      mismatch        = mismatch || differs;
      ever_mismatched = ever_mismatched || mismatch;
      next_line;
    end
  end
endmodule

`default_nettype wire
