// Simple dual-port memory: one synchronous read port, one write port with a write enable per lane.
// A read of the address being written returns the old word. Maps to block RAM; the output holds
// its value while re_i is low, which the pipelines around it rely on when they stall.
module ram_1r1w #(
  parameter int Width      = 32,
  parameter int Depth      = 512,
  parameter int WriteLanes = 1,
  parameter int AddrBits   = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic                  clk_i,
  input  logic                  re_i,
  input  logic [AddrBits-1:0]   raddr_i,
  output logic [Width-1:0]      rdata_o,
  input  logic [WriteLanes-1:0] we_i,
  input  logic [AddrBits-1:0]   waddr_i,
  input  logic [Width-1:0]      wdata_i
);
  localparam int LaneWidth = Width / WriteLanes;

  logic [Width-1:0] mem [Depth];

  always_ff @(posedge clk_i) begin
    if (re_i) rdata_o <= mem[raddr_i];
  end

  for (genvar lane = 0; lane < WriteLanes; lane++) begin : gen_lane
    always_ff @(posedge clk_i) begin
      if (we_i[lane]) begin
        mem[waddr_i][lane*LaneWidth +: LaneWidth] <= wdata_i[lane*LaneWidth +: LaneWidth];
      end
    end
  end
endmodule
