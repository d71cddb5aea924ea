// Queue of what the PEs have to do, in the order in which the beats will come. Like stream_fifo, but it also shows
// whether the entry behind the head closes a layer: then the head is the last column of that layer, and the gates may
// follow it group by group instead of waiting for its end.
module work_queue
  import edgedrnn_pkg::*;
#(
  parameter int Depth = 32
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 flush_i,

  input  logic                 in_valid_i,
  output logic                 in_ready_o,
  input  entry_e               in_type_i,
  input  logic [LayerBits-1:0] in_layer_i,
  input  logic                 in_kind_i,
  input  logic                 in_last_i,
  input  act_t                 in_delta_i,

  output logic                 out_valid_o,
  input  logic                 out_ready_i,
  output entry_e               out_type_o,
  output logic [LayerBits-1:0] out_layer_o,
  output logic                 out_kind_o,
  output logic                 out_last_o,
  output act_t                 out_delta_o,
  output logic                 next_closes_o,   // the entry behind the head is an EntryEnd with last
  output logic                 few_o,           // two entries or less: the port will soon want more
  output logic                 empty_o
);
  localparam int PtrBits   = $clog2(Depth);
  localparam int Width     = LayerBits + 2 + ActBits;

  logic [Width-1:0] mem [Depth];
  entry_e           types [Depth];
  logic [Depth-1:0] closes_q;           // per slot: EntryEnd with last
  logic [PtrBits:0] head_q, tail_q;

  wire [PtrBits:0] count = tail_q - head_q;
  wire [PtrBits-1:0] next_slot = head_q[PtrBits-1:0] + 1'b1;
  wire push = in_valid_i && in_ready_o;
  wire pop  = out_valid_o && out_ready_i;

  assign few_o       = (count <= 2);
  assign empty_o     = (count == '0);
  assign in_ready_o  = !count[PtrBits];
  assign out_valid_o = !empty_o;

  wire [Width-1:0] head = mem[head_q[PtrBits-1:0]];
  assign out_type_o  = types[head_q[PtrBits-1:0]];
  assign out_layer_o = head[ActBits+2 +: LayerBits];
  assign out_kind_o  = head[ActBits+1];
  assign out_last_o  = head[ActBits];
  assign out_delta_o = act_t'(head[ActBits-1:0]);
  assign next_closes_o = (count > 1) && closes_q[next_slot];

  always_ff @(posedge clk_i) begin
    if (push) begin
      mem[tail_q[PtrBits-1:0]]      <= {in_layer_i, in_kind_i, in_last_i, in_delta_i};
      types[tail_q[PtrBits-1:0]]    <= in_type_i;
      closes_q[tail_q[PtrBits-1:0]] <= (in_type_i == EntryEnd) && in_last_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || flush_i) begin
      head_q <= '0;
      tail_q <= '0;
    end else begin
      if (push) tail_q <= tail_q + 1'b1;
      if (pop)  head_q <= head_q + 1'b1;
    end
  end
endmodule
