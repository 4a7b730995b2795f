package arch

import "errors"

func decodeX86(code []byte, pc Addr, mode int) (Inst, error) { return Inst{}, errors.ErrUnsupported }
func decodeARM64(code []byte, pc Addr) (Inst, error)         { return Inst{}, errors.ErrUnsupported }
func decodeRISCV64(code []byte, pc Addr) (Inst, error)       { return Inst{}, errors.ErrUnsupported }
