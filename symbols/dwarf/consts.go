package dwarf

// Names and numbers are those of DWARF 5, chapter 7, and the GNU extensions.

type tag uint16

const (
	tagArray           tag = 0x01
	tagClass           tag = 0x02
	tagEnumeration     tag = 0x04
	tagParameter       tag = 0x05
	tagLexicalBlock    tag = 0x0b
	tagMember          tag = 0x0d
	tagPointer         tag = 0x0f
	tagReference       tag = 0x10
	tagCompileUnit     tag = 0x11
	tagCommonBlock     tag = 0x1a
	tagString          tag = 0x12
	tagStruct          tag = 0x13
	tagSubroutineType  tag = 0x15
	tagTypedef         tag = 0x16
	tagUnion           tag = 0x17
	tagUnspecParams    tag = 0x18
	tagVariant         tag = 0x19
	tagInheritance     tag = 0x1c
	tagInlined         tag = 0x1d
	tagModule          tag = 0x1e
	tagPtrToMember     tag = 0x1f
	tagSubrange        tag = 0x21
	tagBaseType        tag = 0x24
	tagConstType       tag = 0x26
	tagConstant        tag = 0x27
	tagEnumerator      tag = 0x28
	tagSubprogram      tag = 0x2e
	tagTemplateType    tag = 0x2f
	tagTemplateValue   tag = 0x30
	tagVariantPart     tag = 0x33
	tagVariable        tag = 0x34
	tagVolatile        tag = 0x35
	tagRestrict        tag = 0x37
	tagInterface       tag = 0x38
	tagNamespace       tag = 0x39
	tagImportedModule  tag = 0x3a
	tagUnspecified     tag = 0x3b
	tagPartialUnit     tag = 0x3c
	tagImportedUnit    tag = 0x3d
	tagTypeUnit        tag = 0x41
	tagRvalueRef       tag = 0x42
	tagTemplateAlias   tag = 0x43
	tagGenericSubrange tag = 0x45
	tagAtomic          tag = 0x47
	tagCallSite        tag = 0x48
	tagCallParam       tag = 0x49
	tagSkeleton        tag = 0x4a
	tagImmutable       tag = 0x4b
	tagGNUCallSite     tag = 0x4109
	tagGNUCallParam    tag = 0x410a
	tagGNUTemplate     tag = 0x4106
	tagGNUPack         tag = 0x4107
	tagGNUParamPack    tag = 0x4108
)

type attrName uint16

const (
	atSibling          attrName = 0x01
	atLocation         attrName = 0x02
	atName             attrName = 0x03
	atOrdering         attrName = 0x09
	atByteSize         attrName = 0x0b
	atBitOffset        attrName = 0x0c
	atBitSize          attrName = 0x0d
	atStmtList         attrName = 0x10
	atLowPC            attrName = 0x11
	atHighPC           attrName = 0x12
	atLanguage         attrName = 0x13
	atDiscr            attrName = 0x15
	atDiscrValue       attrName = 0x16
	atStringLength     attrName = 0x19
	atCompDir          attrName = 0x1b
	atConstValue       attrName = 0x1c
	atContaining       attrName = 0x1d
	atInline           attrName = 0x20
	atLowerBound       attrName = 0x22
	atProducer         attrName = 0x25
	atPrototyped       attrName = 0x27
	atUpperBound       attrName = 0x2f
	atBitStride        attrName = 0x2e
	atAbstractOrigin   attrName = 0x31
	atArtificial       attrName = 0x34
	atCallingConv      attrName = 0x36
	atCount            attrName = 0x37
	atDataMemberLoc    attrName = 0x38
	atDiscrList        attrName = 0x3d
	atDeclFile         attrName = 0x3a
	atDeclLine         attrName = 0x3b
	atDeclColumn       attrName = 0x39
	atDeclaration      attrName = 0x3c
	atEncoding         attrName = 0x3e
	atExternal         attrName = 0x3f
	atFrameBase        attrName = 0x40
	atSpecification    attrName = 0x47
	atType             attrName = 0x49
	atVirtuality       attrName = 0x4c
	atVtableLoc        attrName = 0x4d
	atAllocated        attrName = 0x4e
	atAssociated       attrName = 0x4f
	atDataLocation     attrName = 0x50
	atByteStride       attrName = 0x51
	atEntryPC          attrName = 0x52
	atRanges           attrName = 0x55
	atCallColumn       attrName = 0x57
	atCallFile         attrName = 0x58
	atCallLine         attrName = 0x59
	atObjectPointer    attrName = 0x64
	atSignature        attrName = 0x69
	atDataBitOffset    attrName = 0x6b
	atEnumClass        attrName = 0x6d
	atLinkageName      attrName = 0x6e
	atStringLengthSize attrName = 0x70
	atStrOffsetsBase   attrName = 0x72
	atAddrBase         attrName = 0x73
	atRnglistsBase     attrName = 0x74
	atMacros           attrName = 0x79
	atMacroInfo        attrName = 0x43
	atDwoName          attrName = 0x76
	atCallReturnPC     attrName = 0x7d
	atCallValue        attrName = 0x7e
	atCallParameter    attrName = 0x80
	atCallDataValue    attrName = 0x86
	atCallOrigin       attrName = 0x7f
	atCallPC           attrName = 0x81
	atExportSymbols    attrName = 0x89
	atDeleted          attrName = 0x8a
	atDefaulted        attrName = 0x8b
	atLoclistsBase     attrName = 0x8c
	atMIPSLinkage      attrName = 0x2007
	atGNUVector        attrName = 0x2107
	atGNUTemplate      attrName = 0x2110
	atGNUCallValue     attrName = 0x2111
	atGNUCallDataValue attrName = 0x2112
	atGNUMacros        attrName = 0x2119
	atGNUDwoName       attrName = 0x2130
	atGNUDwoID         attrName = 0x2131
	atGNURangesBase    attrName = 0x2132
	atGNUAddrBase      attrName = 0x2133
	atGoKind           attrName = 0x2900
	atGoKey            attrName = 0x2901
	atGoElem           attrName = 0x2902
	atGoPackage        attrName = 0x2905
)

// Values of atCallingConv of classes, and of atDefaulted.
const (
	ccByReference    = 4
	ccByValue        = 5
	defaultedInClass = 1
)

type form uint16

const (
	formAddr         form = 0x01
	formBlock2       form = 0x03
	formBlock4       form = 0x04
	formData2        form = 0x05
	formData4        form = 0x06
	formData8        form = 0x07
	formString       form = 0x08
	formBlock        form = 0x09
	formBlock1       form = 0x0a
	formData1        form = 0x0b
	formFlag         form = 0x0c
	formSdata        form = 0x0d
	formStrp         form = 0x0e
	formUdata        form = 0x0f
	formRefAddr      form = 0x10
	formRef1         form = 0x11
	formRef2         form = 0x12
	formRef4         form = 0x13
	formRef8         form = 0x14
	formRefUdata     form = 0x15
	formIndirect     form = 0x16
	formSecOffset    form = 0x17
	formExprloc      form = 0x18
	formFlagPresent  form = 0x19
	formStrx         form = 0x1a
	formAddrx        form = 0x1b
	formRefSup4      form = 0x1c
	formStrpSup      form = 0x1d
	formData16       form = 0x1e
	formLineStrp     form = 0x1f
	formRefSig8      form = 0x20
	formImplicit     form = 0x21
	formLoclistx     form = 0x22
	formRnglistx     form = 0x23
	formRefSup8      form = 0x24
	formStrx1        form = 0x25
	formStrx2        form = 0x26
	formStrx3        form = 0x27
	formStrx4        form = 0x28
	formAddrx1       form = 0x29
	formAddrx2       form = 0x2a
	formAddrx3       form = 0x2b
	formAddrx4       form = 0x2c
	formGNUAddrIndex form = 0x1f01
	formGNUStrIndex  form = 0x1f02
	formGNURefAlt    form = 0x1f20
	formGNUStrpAlt   form = 0x1f21
)

// Unit types, DWARF 5 section 7.5.1.
const (
	utCompile      = 1
	utType         = 2
	utPartial      = 3
	utSkeleton     = 4
	utSplitCompile = 5
	utSplitType    = 6
)
