# The works: genre/name, then title, year and the persons.
conto/papeisDeGaveta: titulo=Papéis de Gaveta; ano=1870
conto/historiasDoRelogio: titulo=Histórias do Relógio; ano=1881
conto/meiaDuziaDeCasos: titulo=Meia Dúzia de Casos, Menos Um; ano=1889
conto/ultimasChinelas: titulo=As Últimas Chinelas; ano=1903
critica/estanteAlheia: titulo=Estante Alheia; ano=1866
critica/notasDeLeitor: titulo=Notas de um Leitor Vagaroso; ano=1878
critica/semanaLiteraria: titulo=Livros de Segunda-Feira; ano=1895
cronica/balcaoDaSemana: titulo=O Balcão da Semana; ano=1864
cronica/cartasDoBonde: titulo=Cartas do Bonde; ano=1877
cronica/migalhas: titulo=Migalhas; ano=1888
cronica/seteColunas: titulo=Sete Colunas; ano=1896
poesia/espumas: titulo=Espumas; ano=1861
poesia/lampadas: titulo=Lâmpadas; ano=1874
poesia/ultimasFolhas: titulo=Últimas Folhas; ano=1901
romance/aCasaDaLadeira: titulo=A Casa da Ladeira; ano=1876; moco=Fernando; moca=Helvécia; viuva=Cândida; velho=o desembargador Lisboa; amigo=Teixeira; padre=frei Ambrósio; casa=na Ladeira da Glória; obj=a caixinha de música; lo=la
romance/heitorEAmalia: titulo=Heitor e Amália; ano=1882; moco=Heitor; moca=Amália; viuva=Petronilha; velho=o coronel Brites; amigo=Nóbrega; padre=o vigário Simões; casa=no Rio Comprido; obj=o relógio de parede; lo=lo
romance/memoriasDeUmLeque: titulo=Memórias de um Leque; ano=1891; moco=Otaviano; moca=Lavínia; viuva=Teodora; velho=o barão de Pirassununga; amigo=Serpa; padre=monsenhor Caldas; casa=nas Laranjeiras; obj=o leque de sândalo; lo=lo
romance/oRetratoEmprestado: titulo=O Retrato Emprestado; ano=1872; moco=Estêvão; moca=Clarinda; viuva=Eulália; velho=o comendador Vilares; amigo=Tavares; padre=o cônego Matias; casa=em Catumbi; obj=o retrato; lo=lo
romance/segundaValsa: titulo=A Segunda Valsa; ano=1904; moco=Gustavo; moca=Olímpia; viuva=Angélica; velho=o conselheiro Prates; amigo=Barroso; padre=o padre Cirilo; casa=em Botafogo; obj=a carta de Lisboa; lo=la
teatro/aLuvaEsquerda: titulo=A Luva Esquerda; ano=1863; A=Jorge; B=Valentina; C=Anacleto; D=Rosa
teatro/oTioDeCampos: titulo=O Tio de Campos; ano=1879; A=Eduardo; B=Leonor; C=Barnabé; D=Clara
traducao/aHerancaDoFaroleiro: titulo=A Herança do Faroleiro; ano=1868; rapaz=Toby Wren; menina=Agnes; capitao=o capitão Bramwell; ruim=Mr. Crouch; barco=a Lady Maud; cidade=Greyhaven
traducao/osHomensDoNevoeiro: titulo=Os Homens do Nevoeiro; ano=1871; rapaz=Davy Marsh; menina=Kitty; capitao=o capitão Thorne; ruim=Silas Grubb; barco=a Sea Widow; cidade=Saltmoor
