// SPDX-License-Identifier: Apache-2.0
// Assertions, beside the code that they guard. All speak of the module's clk_i and hold outside reset (rst_ni),
// and not at time 0, where registers are random and no reset has been.
//
//   EDGEDRNN_ASSERT(name, property)   the property holds at each clock edge
//   EDGEDRNN_NEVER(name, condition)   the condition holds at none
//   EDGEDRNN_STABLE(name, valid, ready, payload, flush)
//                                     ready/valid: what is offered stays offered, with the same payload, until it is
//                                     taken; `flush` (1'b0 where there is none) takes it back,
//                                     at once or in the next cycle
//
// A failing assertion prints the file, the line and the name, and ends the simulation. Icarus has no concurrent
// assertions and synthesis wants none: there the macros are empty. They are also empty in a replay (REPLAY), which
// follows a fault to where it begins. They count for no code coverage.
`ifndef EDGEDRNN_ASSERT_SVH
`define EDGEDRNN_ASSERT_SVH

`ifndef SYNTHESIS
`ifndef __ICARUS__
`ifndef REPLAY
`define EDGEDRNN_ASSERTIONS
`endif
`endif
`endif

`ifdef EDGEDRNN_ASSERTIONS

`define EDGEDRNN_ASSERT(name, prop) \
  /*verilator coverage_off*/ \
  name: assert property (@(posedge clk_i) disable iff (!rst_ni || $time == 0) prop); \
  /*verilator coverage_on*/
`define EDGEDRNN_NEVER(name, condition) \
  `EDGEDRNN_ASSERT(name, !(condition))
`define EDGEDRNN_STABLE(name, valid, ready, payload, flush) \
  `EDGEDRNN_ASSERT(name, rst_ni && (valid) && !(ready) && !(flush) |=> (flush) || ((valid) && $stable(payload)))

`else

`define EDGEDRNN_ASSERT(name, prop)
`define EDGEDRNN_NEVER(name, condition)
`define EDGEDRNN_STABLE(name, valid, ready, payload, flush)

`endif
`endif
