// SPDX-License-Identifier: Apache-2.0
// The sheet of taps: every signal of the core `u_dut` that something in tb/ looks at, by a name of its own.
//
// Monitors, checkers and tops include this file and write `tap_NAME; tb/tables/waves.toml and tb/debug/ say NAME, or
// NAME[2] where a tap takes a number, and tb/debug/taps.py reads from this file where in the core that is. A register
// of the core that gets another name, or another place, is changed here and nowhere else in tb/.
//
// A tap is one line, `define tap_NAME u_dut.PATH. A net of the core's top keeps its name. What is inside a module has
// the module's short name before it, without the letters that only say that it is a register or in which stage it is.
// A tap is text: it costs a simulation nothing, whether somebody uses it or not.
`ifndef CORE_TAPS_SVH
`define CORE_TAPS_SVH

// Clock, reset, interrupt.
`define tap_clk                     u_dut.clk_i
`define tap_rst_n                   u_dut.rst_ni
`define tap_irq                     u_dut.irq_o

// The register bus.
`define tap_s_axil_awaddr           u_dut.s_axil_awaddr
`define tap_s_axil_awvalid          u_dut.s_axil_awvalid
`define tap_s_axil_wdata            u_dut.s_axil_wdata
`define tap_s_axil_wvalid           u_dut.s_axil_wvalid
`define tap_s_axil_araddr           u_dut.s_axil_araddr
`define tap_s_axil_arvalid          u_dut.s_axil_arvalid
`define tap_s_axil_rdata            u_dut.s_axil_rdata
`define tap_s_axil_rvalid           u_dut.s_axil_rvalid

// The weight port.
`define tap_m_axi_araddr            u_dut.m_axi_araddr
`define tap_m_axi_arlen             u_dut.m_axi_arlen
`define tap_m_axi_arvalid           u_dut.m_axi_arvalid
`define tap_m_axi_arready           u_dut.m_axi_arready
`define tap_m_axi_rdata             u_dut.m_axi_rdata
`define tap_m_axi_rresp             u_dut.m_axi_rresp
`define tap_m_axi_rlast             u_dut.m_axi_rlast
`define tap_m_axi_rvalid            u_dut.m_axi_rvalid
`define tap_m_axi_rready            u_dut.m_axi_rready

// The bus of x.
`define tap_s_axis_x_tdata          u_dut.s_axis_x_tdata
`define tap_s_axis_x_tvalid         u_dut.s_axis_x_tvalid
`define tap_s_axis_x_tready         u_dut.s_axis_x_tready
`define tap_s_axis_x_tlast          u_dut.s_axis_x_tlast

// The bus of h.
`define tap_m_axis_h_tdata          u_dut.m_axis_h_tdata
`define tap_m_axis_h_tuser          u_dut.m_axis_h_tuser
`define tap_m_axis_h_tvalid         u_dut.m_axis_h_tvalid
`define tap_m_axis_h_tready         u_dut.m_axis_h_tready
`define tap_m_axis_h_tlast          u_dut.m_axis_h_tlast

// control_registers: commands and configuration.
`define tap_start                   u_dut.start
`define tap_soft_reset              u_dut.soft_reset
`define tap_new_sequence            u_dut.new_sequence
`define tap_perf_freeze             u_dut.perf_freeze
`define tap_perf_clear              u_dut.perf_clear
`define tap_num_layers              u_dut.num_layers
`define tap_lut_frac                u_dut.lut_frac
`define tap_input_size              u_dut.input_size
`define tap_hidden_size             u_dut.hidden_size
`define tap_theta_x                 u_dut.theta_x
`define tap_theta_h                 u_dut.theta_h
`define tap_addr_wx                 u_dut.addr_wx
`define tap_addr_wh                 u_dut.addr_wh
`define tap_addr_bias               u_dut.addr_bias

// perf_counters: what they count in this cycle.
`define tap_events                  u_dut.events_q

// sequencer: its state, faults and resets.
`define tap_state                   u_dut.state
`define tap_ready                   u_dut.ready
`define tap_flush                   u_dut.flush
`define tap_drain                   u_dut.drain
`define tap_fault                   u_dut.fault
`define tap_error_cause             u_dut.error_cause
`define tap_work_low                u_dut.work_low_q
`define tap_seq_x_next              u_dut.u_sequencer.x_next_q
`define tap_seq_started             u_dut.u_sequencer.started_q
`define tap_seq_done                u_dut.u_sequencer.done_q
`define tap_seq_h_given             u_dut.u_sequencer.h_given_q
`define tap_seq_stale               u_dut.u_sequencer.stale_q

// x_ingress, and its stream of x to the encoder.
`define tap_x_open                  u_dut.x_open
`define tap_x_first                 u_dut.x_first
`define tap_x_valid                 u_dut.x_valid
`define tap_x_ready                 u_dut.x_ready
`define tap_x_data                  u_dut.x_data
`define tap_ingress_drop            u_dut.u_x_ingress.drop
`define tap_ingress_taken           u_dut.u_x_ingress.taken

// Passes, from the sequencer to the encoder.
`define tap_pass_valid              u_dut.pass_valid
`define tap_pass_ready              u_dut.pass_ready
`define tap_pass_type               u_dut.pass.op
`define tap_pass_layer              u_dut.pass.layer
`define tap_pass_last               u_dut.pass.last
`define tap_pass_size               u_dut.pass.size
`define tap_pass_theta              u_dut.pass.theta

// delta_encoder: its pass, what it compares, what it writes.
`define tap_encoder_idle            u_dut.encoder_idle
`define tap_encoder_state           u_dut.u_delta_encoder.state_q
`define tap_encoder_type            u_dut.u_delta_encoder.pass_q.op
`define tap_encoder_layer           u_dut.u_delta_encoder.pass_q.layer
`define tap_encoder_theta           u_dut.u_delta_encoder.pass_q.theta
`define tap_encoder_next_vec        u_dut.u_delta_encoder.vec_q
`define tap_encoder_capture         u_dut.u_delta_encoder.b_move
`define tap_encoder_vec             u_dut.u_delta_encoder.c_vec_q
`define tap_encoder_source          u_dut.u_delta_encoder.c_src_q
`define tap_encoder_reference       u_dut.u_delta_encoder.c_ref_q
`define tap_encoder_delta           u_dut.u_delta_encoder.d_delta_q
`define tap_encoder_fires           u_dut.u_delta_encoder.d_fire
`define tap_encoder_ref_rdata       u_dut.u_delta_encoder.ref_rdata
`define tap_encoder_kept_rdata      u_dut.u_delta_encoder.kept_rdata
`define tap_encoder_ref_we          u_dut.u_delta_encoder.ref_we_q
`define tap_encoder_ref_waddr       u_dut.u_delta_encoder.ref_waddr_q
`define tap_encoder_ref_wdata       u_dut.u_delta_encoder.ref_wdata_q

// hidden_memory, as the encoder and the gates use it.
`define tap_enc_h_re                u_dut.enc_h_re
`define tap_enc_h_clear             u_dut.enc_h_clear
`define tap_enc_h_layer             u_dut.enc_h_layer
`define tap_enc_h_vec               u_dut.enc_h_vec
`define tap_enc_h_rdata             u_dut.enc_h_rdata
`define tap_gate_h_rdata            u_dut.gate_h_rdata
`define tap_h_we                    u_dut.h_we
`define tap_h_quad                  u_dut.h_quad
`define tap_h_wdata                 u_dut.h_wdata

// Entries, from the encoder to column_fetch.
`define tap_entry_valid             u_dut.entry_valid
`define tap_entry_ready             u_dut.entry_ready
`define tap_entry_type              u_dut.entry.op
`define tap_entry_layer             u_dut.entry.layer
`define tap_entry_kind              u_dut.entry.kind
`define tap_entry_last              u_dut.entry.last
`define tap_entry_undo              u_dut.entry.undo
`define tap_entry_index             u_dut.entry.index
`define tap_entry_delta             u_dut.entry.delta

// column_fetch: bursts to burst_reader, and work to work_queue.
`define tap_fetch_idle              u_dut.fetch_idle
`define tap_fetch_index             u_dut.u_column_fetch.entry2_q.index
`define tap_undo                    u_dut.undo
`define tap_burst_valid             u_dut.burst_valid
`define tap_burst_ready             u_dut.burst_ready
`define tap_burst_addr              u_dut.burst_addr
`define tap_burst_beats             u_dut.burst_beats
`define tap_push_valid              u_dut.push_valid
`define tap_push_ready              u_dut.push_ready
`define tap_push_type               u_dut.push.op
`define tap_push_layer              u_dut.push.layer
`define tap_push_kind               u_dut.push.kind
`define tap_push_last               u_dut.push.last
`define tap_push_delta              u_dut.push.delta
`define tap_push_last_group         u_dut.push.last_group

// burst_reader, and its beats to the PEs.
`define tap_reader_idle             u_dut.reader_idle
`define tap_reader_under_way        u_dut.u_burst_reader.under_way_q
`define tap_bus_waiting             u_dut.bus_waiting
`define tap_r_short                 u_dut.r_short
`define tap_r_long                  u_dut.r_long
`define tap_r_unowed                u_dut.r_unowed
`define tap_gave_up                 u_dut.gave_up
`define tap_beat_valid              u_dut.beat_valid
`define tap_beat_ready              u_dut.beat_ready
`define tap_beat_data               u_dut.beat_data

// Work, from work_queue to the PEs.
`define tap_work_valid              u_dut.work_valid
`define tap_work_ready              u_dut.work_ready
`define tap_work_type               u_dut.work.op
`define tap_work_layer              u_dut.work.layer
`define tap_work_kind               u_dut.work.kind
`define tap_work_last               u_dut.work.last
`define tap_work_delta              u_dut.work.delta
`define tap_work_last_group         u_dut.work.last_group
`define tap_next_closes             u_dut.next_closes

// pe_array: where it is in a column, a product, a sum as it is written.
`define tap_pe_idle                 u_dut.pe_idle
`define tap_wanting                 u_dut.wanting
`define tap_pe_fire                 u_dut.u_pe_array.fire
`define tap_pe_group                u_dut.u_pe_array.group_q
`define tap_pe_sub                  u_dut.u_pe_array.sub_q
`define tap_pe_weights              u_dut.u_pe_array.s1_data_q
`define tap_pe_delta                u_dut.u_pe_array.s1_delta_q
`define tap_pe_product              u_dut.u_pe_array.s3_prod_q
`define tap_pe_write                u_dut.u_pe_array.s3_valid_q
`define tap_pe_write_bank           u_dut.u_pe_array.s3_bank_q
`define tap_pe_write_addr           u_dut.u_pe_array.s3_addr_q
`define tap_pe_write_lanes          u_dut.u_pe_array.s3_lanes_q
`define tap_pe_sum                  u_dut.u_pe_array.s3_sum

// What the PEs tell the gates, and the delta memories as the gates read them.
`define tap_gate_start              u_dut.gate_start
`define tap_gate_ready              u_dut.gate_ready
`define tap_start_layer             u_dut.start_layer
`define tap_all_ready               u_dut.all_ready
`define tap_groups_ready            u_dut.groups_ready
`define tap_bank_re                 u_dut.bank_re
`define tap_bank_grant              u_dut.bank_grant
`define tap_bank_group              u_dut.bank_group
`define tap_bank_rdata              u_dut.bank_rdata
`define tap_memory_rdata(b)         u_dut.u_pe_array.gen_bank[b].u_delta_memory.rdata_o

// gate_pipeline: which quad is where; those with a number, and the bits of gates_valid, belong to a stage.
`define tap_gate_busy               u_dut.gate_busy
`define tap_gate_layer              u_dut.gate_layer
`define tap_gate_done               u_dut.gate_done
`define tap_gates_issuing           u_dut.u_gate_pipeline.issuing_q
`define tap_gates_final             u_dut.u_gate_pipeline.final_units
`define tap_gates_go                u_dut.u_gate_pipeline.go
`define tap_gates_enter             u_dut.u_gate_pipeline.complete
`define tap_gates_to_output         u_dut.u_gate_pipeline.to_output_q
`define tap_gates_quad              u_dut.u_gate_pipeline.quad_q
`define tap_gates_valid             u_dut.u_gate_pipeline.valid_q
`define tap_gates_m                 u_dut.u_gate_pipeline.m_q
`define tap_gates_h_prev            u_dut.u_gate_pipeline.h_prev10_q
`define tap_stage_quad(k)           u_dut.u_gate_pipeline.tag_q[k]

// gate_lane: a unit of the quad on its way from the sums to h.
`define tap_lane_m_r(i)             u_dut.u_gate_pipeline.gen_lane[i].u_lane.m_r_i
`define tap_lane_m_z(i)             u_dut.u_gate_pipeline.gen_lane[i].u_lane.m_z_i
`define tap_lane_m_nx(i)            u_dut.u_gate_pipeline.gen_lane[i].u_lane.m_nx_i
`define tap_lane_m_nh(i)            u_dut.u_gate_pipeline.gen_lane[i].u_lane.m_nh_i
`define tap_lane_q_r(i)             u_dut.u_gate_pipeline.gen_lane[i].u_lane.q3_r
`define tap_lane_q_z(i)             u_dut.u_gate_pipeline.gen_lane[i].u_lane.q4_z
`define tap_lane_q_nh(i)            u_dut.u_gate_pipeline.gen_lane[i].u_lane.q5_nh
`define tap_lane_place_r(i)         u_dut.u_gate_pipeline.gen_lane[i].u_lane.addr3_r
`define tap_lane_place_z(i)         u_dut.u_gate_pipeline.gen_lane[i].u_lane.addr4_z
`define tap_lane_place_n(i)         u_dut.u_gate_pipeline.gen_lane[i].u_lane.tanh_addr_o
`define tap_lane_entry_r(i)         u_dut.u_gate_pipeline.gen_lane[i].u_lane.data4_r
`define tap_lane_entry_z(i)         u_dut.u_gate_pipeline.gen_lane[i].u_lane.data5_z
`define tap_lane_entry_n(i)         u_dut.u_gate_pipeline.gen_lane[i].u_lane.tanh_data_i
`define tap_lane_up_r(i)            u_dut.u_gate_pipeline.gen_lane[i].u_lane.up5_r
`define tap_lane_neg_r(i)           u_dut.u_gate_pipeline.gen_lane[i].u_lane.neg5_r
`define tap_lane_r(i)               u_dut.u_gate_pipeline.gen_lane[i].u_lane.r5
`define tap_lane_up_z(i)            u_dut.u_gate_pipeline.gen_lane[i].u_lane.up7_z
`define tap_lane_neg_z(i)           u_dut.u_gate_pipeline.gen_lane[i].u_lane.neg7_z
`define tap_lane_z(i)               u_dut.u_gate_pipeline.gen_lane[i].u_lane.z8
`define tap_lane_pre_n(i)           u_dut.u_gate_pipeline.gen_lane[i].u_lane.pre8
`define tap_lane_n(i)               u_dut.u_gate_pipeline.gen_lane[i].u_lane.n10
`define tap_lane_h_prev(i)          u_dut.u_gate_pipeline.gen_lane[i].u_lane.h_prev_i
`define tap_lane_h(i)               u_dut.u_gate_pipeline.gen_lane[i].u_lane.h_o

// From the gates to h_egress, and what it says.
`define tap_out_room                u_dut.out_room
`define tap_out_valid               u_dut.out_valid
`define tap_out_last                u_dut.out_last
`define tap_out_stalled             u_dut.out_stalled
`define tap_packet_done             u_dut.packet_done

`endif
