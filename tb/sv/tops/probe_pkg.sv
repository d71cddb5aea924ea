// SPDX-License-Identifier: Apache-2.0
// What functional coverage looks at in each cycle, in one word: scripts/gen_registers.py makes
// tb/coverage/functional/probe.py of this.
`default_nettype none

package probe_pkg;

  typedef struct packed {
    logic       soft_reset;
    logic [2:0] state;
    logic [1:0] rresp;
    logic       rlast;
    logic       rready;
    logic       rvalid;
    logic       arready;
    logic       arvalid;
  } probe_t;
  localparam int ProbeBits = $bits(probe_t);

endpackage

`default_nettype wire
