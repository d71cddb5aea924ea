// 64-bit performance counters. Counting stops while freeze_i is 1; clear_i sets all to zero, even when frozen.
module perf_counters #(
  parameter int Counters = 8
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   freeze_i,
  input  logic                   clear_i,
  input  logic [Counters-1:0]    event_i,
  output logic [Counters*64-1:0] count_o
);
  for (genvar i = 0; i < Counters; i++) begin : gen_counter
    logic [63:0] count_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || clear_i)           count_q <= '0;
      else if (event_i[i] && !freeze_i) count_q <= count_q + 1'b1;
    end
    assign count_o[i*64 +: 64] = count_q;
  end
endmodule
