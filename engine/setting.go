package engine

// FilterSetting is one row of `sx`: what to do at an exception or event.
type FilterSetting struct {
	Code      string // "av", "ld", "sig12", "*"
	Arg       string // of cpr epr ld ud: a name with wildcards, "" any
	Title     string
	Break     byte // 'e' break, 'd' at second chance, 'n' notify, 'i' ignore
	Handled   bool
	Exception bool   // has a handling status
	Command   string // run at the first chance
	Command2  string // run at the second chance
}
