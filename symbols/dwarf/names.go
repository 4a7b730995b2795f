package dwarf

import (
	"strings"
	"sync"
)

// Names of DWARF 5, tables 7.3, 7.5, 7.9 and 7.11, and of the GNU extensions, for
// people to read. A field "-" is a number that has no name.

// numbered gives names to consecutive numbers from the first on.
func numbered(table map[uint64]string, first uint64, names string) {
	for i, n := range strings.Fields(names) {
		if n != "-" {
			table[first+uint64(i)] = n
		}
	}
}

var tagNames = sync.OnceValue(func() map[uint64]string {
	t := map[uint64]string{0x4081: "MIPS_loop", 0x4090: "HP_array_descriptor"}
	numbered(t, 0x01, `array_type class_type entry_point enumeration_type formal_parameter - - imported_declaration - label lexical_block - member -
		pointer_type reference_type compile_unit string_type structure_type - subroutine_type typedef union_type unspecified_parameters variant
		common_block common_inclusion inheritance inlined_subroutine module ptr_to_member_type set_type subrange_type with_stmt access_declaration
		base_type catch_block const_type constant enumerator file_type friend namelist namelist_item packed_type subprogram template_type_parameter
		template_value_parameter thrown_type try_block variant_part variable volatile_type dwarf_procedure restrict_type interface_type namespace
		imported_module unspecified_type partial_unit imported_unit - condition shared_type type_unit rvalue_reference_type template_alias
		coarray_type generic_subrange dynamic_type atomic_type call_site call_site_parameter skeleton_unit immutable_type`)
	numbered(t, 0x4101, `format_label function_template class_template GNU_BINCL GNU_EINCL GNU_template_template_param GNU_template_parameter_pack
		GNU_formal_parameter_pack GNU_call_site GNU_call_site_parameter`)
	return t
})

var attrNames = sync.OnceValue(func() map[uint64]string {
	t := map[uint64]string{
		0x2007: "MIPS_linkage_name", 0x2101: "sf_names", 0x2106: "body_end", 0x2107: "GNU_vector", 0x210f: "GNU_odr_signature", 0x2110: "GNU_template_name",
		0x2111: "GNU_call_site_value", 0x2112: "GNU_call_site_data_value", 0x2113: "GNU_call_site_target", 0x2114: "GNU_call_site_target_clobbered",
		0x2115: "GNU_tail_call", 0x2116: "GNU_all_tail_call_sites", 0x2117: "GNU_all_call_sites", 0x2118: "GNU_all_source_call_sites", 0x2119: "GNU_macros",
		0x211a: "GNU_deleted", 0x2130: "GNU_dwo_name", 0x2131: "GNU_dwo_id", 0x2132: "GNU_ranges_base", 0x2133: "GNU_addr_base", 0x2134: "GNU_pubnames",
		0x2135: "GNU_pubtypes", 0x2136: "GNU_discriminator", 0x2137: "GNU_locviews", 0x2138: "GNU_entry_view", 0x2900: "go_kind", 0x2901: "go_key", 0x2902: "go_elem",
		0x2903: "go_embedded_field", 0x2904: "go_runtime_type", 0x2905: "go_package_name", 0x2906: "go_dict_index", 0x3e02: "LLVM_sysroot",
	}
	numbered(t, 0x01, `sibling location name - - - - - ordering - byte_size bit_offset bit_size - - stmt_list low_pc high_pc language - discr discr_value
		visibility import string_length common_reference comp_dir const_value containing_type default_value - inline is_optional lower_bound - - producer -
		prototyped - - return_addr - start_scope - bit_stride upper_bound - abstract_origin accessibility address_class artificial base_types
		calling_convention count data_member_location decl_column decl_file decl_line declaration discr_list encoding external frame_base friend
		identifier_case macro_info namelist_item priority segment specification static_link type use_location variable_parameter virtuality
		vtable_elem_location allocated associated data_location byte_stride entry_pc use_UTF8 extension ranges trampoline call_column call_file
		call_line description binary_scale decimal_scale small decimal_sign digit_count picture_string mutable threads_scaled explicit object_pointer
		endianity elemental pure recursive signature main_subprogram data_bit_offset const_expr enum_class linkage_name string_length_bit_size
		string_length_byte_size rank str_offsets_base addr_base rnglists_base - dwo_name reference rvalue_reference macros call_all_calls
		call_all_source_calls call_all_tail_calls call_return_pc call_value call_origin call_parameter call_pc call_tail_call call_target
		call_target_clobbered call_data_location call_data_value noreturn alignment export_symbols deleted defaulted loclists_base`)
	return t
})

var operationNames = sync.OnceValue(func() map[uint8]string {
	t := map[uint64]string{}
	numbered(t, opAddr, `addr - - deref - const1u const1s const2u const2s const4u const4s const8u const8s constu consts dup drop over pick swap rot xderef abs
		and div minus mod mul neg not or plus plus_uconst shl shr shra xor bra eq ge gt le lt ne skip`)
	numbered(t, opRegx, `regx fbreg bregx piece deref_size xderef_size nop push_object_address call2 call4 call_ref form_tls_address call_frame_cfa
		bit_piece implicit_value stack_value implicit_pointer addrx constx entry_value const_type regval_type deref_type xderef_type convert reinterpret`)
	numbered(t, opGNUPushTLS, "GNU_push_tls_address")
	numbered(t, opGNUUninit, `GNU_uninit GNU_encoded_addr GNU_implicit_pointer GNU_entry_value GNU_const_type GNU_regval_type GNU_deref_type GNU_convert -
		GNU_reinterpret GNU_parameter_ref GNU_addr_index GNU_const_index GNU_variable_value`)
	out := make(map[uint8]string, len(t))
	for n, s := range t {
		out[uint8(n)] = s
	}
	return out
})

var encodingNames = sync.OnceValue(func() map[uint64]string {
	t := map[uint64]string{}
	numbered(t, 1, `DW_ATE_address DW_ATE_boolean DW_ATE_complex_float DW_ATE_float DW_ATE_signed DW_ATE_signed_char DW_ATE_unsigned DW_ATE_unsigned_char
		DW_ATE_imaginary_float DW_ATE_packed_decimal DW_ATE_numeric_string DW_ATE_edited DW_ATE_signed_fixed DW_ATE_unsigned_fixed DW_ATE_decimal_float
		DW_ATE_UTF DW_ATE_UCS DW_ATE_ASCII`)
	return t
})
