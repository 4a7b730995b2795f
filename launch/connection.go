package launch

// Connection is a parsed connection string: protocol:key=value,...
type Connection struct {
	Protocol string // lower case
	Args     []Arg  // in order, keys lower case
	Source   string // as written
}

// Arg is one argument of a Connection. Nested is set for @{...} values.
type Arg struct {
	Key    string
	Value  string
	Nested *Connection
	Flag   bool // no value given
}

// Get returns the value of key, "" when absent.
func (c *Connection) Get(key string) string {
	v := ""
	for _, a := range c.Args {
		if a.Key == key {
			v = a.Value
		}
	}
	return v
}

// Has reports whether key is present.
func (c *Connection) Has(key string) bool {
	for _, a := range c.Args {
		if a.Key == key {
			return true
		}
	}
	return false
}
