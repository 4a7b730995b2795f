package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"testing"
)

// TestDatagrams: the published vectors of KDNET, made by the description alone.
func TestDatagrams(t *testing.T) {
	key, err := parseKey("1.2.3.zz")
	if err != nil {
		t.Fatal(err)
	}
	mac := make([]byte, 32)
	for i := range mac {
		mac[i] = ^key[i]
	}
	count := func(from byte) []byte {
		b := make([]byte, 32)
		for i := range b {
			b[i] = from + byte(i)
		}
		return b
	}
	target, host := &net.UDPAddr{IP: net.IPv4(192, 168, 2, 2), Port: 50000}, &net.UDPAddr{IP: net.IPv4(192, 168, 2, 1), Port: 50000}
	poke := append([]byte{1, 1}, count(0)...)
	for _, a := range []*net.UDPAddr{target, host, nil} {
		poke = append(poke, endpoint(a)...)
	}
	poke = append(poke, make([]byte, 256)...)
	response := append(append([]byte{1, 2}, count(0)...), count(0x80)...)
	response = append(response, make([]byte, 256)...)
	data := hash(key, response)
	print := append([]byte{0x30, 0x32, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0}, "Hi\r\n"...)
	for _, c := range []struct {
		name string
		got  []byte
		want string // SHA-256, or the datagram
	}{
		{"poke", seal(4, 1, 3, 0, key, mac, poke), "af367496ba7e10e13df921fa747d1ce025855e87883d9bb69610794e793b59d0"},
		{"response", seal(4, 1, 3, hostBit, key, mac, response), "e18af397ff08f0456b2babec87adaff8209b08c0b2459a909bf0f7a5680109e2"},
		{"data key", data, "93e38fd113128b00e3ae562fef0b1b32bc1550a892cfa58543de5f8a6071b94f"},
		{"print", seal(4, 0, 2, 0, data, mac, header(0x30, kindIO, 0, print)),
			"4d4442470400b129b83b0df451009fe4a9a31d751d81aaf322a04b54659872aae82386bb37f6f9cbcadc8e70c8abd3232e65c7c2272a394105d9cab525a4cafd3e228ddad4a7"},
		{"break-in", seal(4, 0, 1, hostBit, data, mac, []byte{0x62}), "4d4442470400297445a6d9933c427cce7442700af15d30294ff578f6309bde61e9bb6f7a41a0"},
	} {
		got := hex.EncodeToString(c.got)
		if len(c.got) > 100 {
			sum := sha256.Sum256(c.got)
			got = hex.EncodeToString(sum[:])
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
