# Sections for any genre: maxims, asides to the reader, weather, the street, memories.
== dito
- {^o ideia} é {@como}, {@complem}.
- {^o ideia} [parece|costuma ser|foi sempre] {@como}, {@complem}.
- [Creio|Cuido|Suponho] que {o ideia} seja {@como}; {o ideia}, não.
- Postos na balança {o ideia} e {o ideia}, [vence|escolhe melhor|acerta] quem [ri por último|tem menos pressa|espera sentado].
- {^o ideia} não é senão {o ideia} [{.visto} pelo avesso|em mangas de camisa|com outro chapéu|de luto aliviado|depois do jantar], {@complem}.
- Bem dizia um [cônego|boticário|mestre de primeiras letras] que {@tese}.
- [A experiência ensina|O leitor sabe|Fique assentado] que {@tese}; {o ideia} é {@como}.
- Se {o ideia} [falasse|soubesse escrever|tivesse procurador], [confessaria|provaria|juraria] que {@tese}.
- Não há [remédio|advogado|guarda-chuva] contra {o ideia}: {@tese}.
- {^@tese}; e [é pena|é justo|ainda bem|tanto melhor para nós].
- Mostrai-me {o ideia} sem {o ideia}, e eu vos [mostrarei|darei] {@como}.
- {^o ideia} [vive|alimenta-se|morre] de {o ideia}, como o [pavio do azeite|moinho do vento|barbeiro do queixo alheio|sineiro do badalo].
== leitor
- [Não se impaciente|Tenha paciência|Não franza a testa], [leitora amiga|leitor apressado|minha senhora]; {o ideia} também tem [os seus vagares|suas antecâmaras|os seus intervalos].
- O leitor, que [é perspicaz|já amou|leu outros livros|tem tias], [adivinhou|percebeu|suspeita] que {@tese}.
- [Se a leitora tem pressa|Se o leitor boceja|Quem for de humor {~m humor}], [salte este parágrafo|pule a página|vá tomar uma xícara de café]; nós [ficamos aqui|não levamos a mal|daremos conta do resto].
- Não me perguntes, leitor, [de que cor era|quanto custou|onde foi parar] {o coisa}; [a história não o diz|perdi o apontamento|são segredos do ofício].
- [Perdoe a leitora|Releve o crítico|Desculpem os graves] esta [digressão|comparação|franqueza]; a pena [tem dessas fugas|é {~f moral}|escorrega, como os anos].
- Aqui [convinha|cabia|pedia a arte] [um suspiro|uma tempestade|um pouco de latim|um capítulo inteiro], mas o papel [é caro|é curto|não dá para tanto].
- Repara, leitor, como {o ideia} [se arranja|se disfarça|faz a cama] com {o ideia}.
- [Há de parecer|Parecerá talvez] [pouco|inverossímil|ridículo] à leitora que tem {@jovem}; [espere os quarenta|pergunte à sua avó|deixe passar um inverno].
- Não esqueça o leitor {este coisa}: [há de servir-lhe|tornará a vê-{.lo}|é pessoa do drama] [lá adiante|antes do fim|no penúltimo capítulo].
- Cá por mim, leitor, [não afirmo|não juro|não nego] nada: ouvi tudo a {o oficio}, {@hora}.
== clima
- {^@tempo}, e [ouvia-se|chegava da rua|soava, longe,] {@som}.
- Foi {@hora}: {@tempo}.
- {^@tempo}; {@som} [marcava o compasso|enchia a casa|vinha e sumia-se|cortava o silêncio] {@comp}.
- Da janela [via-se|avistava-se|descobria-se] {@vista}, e {@tempo}.
- [No céu|Ao longe|Por cima dos telhados] [boiava uma nuvem|corriam nuvens|pairava um resto de luz] {@comp}; {@tempo}.
- {^@hora}, {@tempo} {@onde}.
== rua
- {^em o rua}, {o oficio} [conversava com|tirava o chapéu a|fugia de] {@ela}, [à porta de|defronte de|a dois passos de] {o sitio}.
- [Passou|Subiu|Desceu] {um bicho} pela calçada, {@comp}, e {o oficiof} [riu|parou|benzeu-se].
- [Um tílburi|Um carro de boi|Um bonde|Uma sege {~f feitio}] [parou|rodava|atolara-se] {em o rua}, com {o oficio} dentro e {um bicho} [atrás|no estribo|à frente].
- [Um moleque|Uma preta velha|Um italiano|O mascate] [vendia|apregoava|oferecia] {n doce} e {n doce} [à porta de|perto de|no adro de] {o sitio}.
- {^em o rua} não se tratava senão de {@tema} e de {@tema}, e cada [porta|esquina|loja] era [um parlamento|uma academia|um púlpito].
- {^o oficio}, {~m humor} e {~m humor}, [lia|desdobrava|explicava] {o jornal} a [um círculo|uma roda|três ou quatro] de ociosos.
- À janela de um sobrado, {o oficiof} [regava|desfolhava|namorava] {um flor}, e {o oficio}, embaixo, [fingia esperar o bonde|consultava o relógio|contava os trocos].
== memoria
- [Quando eu era menino|Na minha infância|Há muitos anos], {em o rua}, conheci {@ele}, que {@hab} e {@hab}.
- [Lembra-me|Veio-me à memória|Ainda vejo] {um coisa} que [pertenceu a|foi de|esteve em casa de] {@ela}; agora [está|dorme|acaba] [num leilão|no fundo de {um traste}|em mãos de {o oficio}].
- Meu [avô|padrinho|mestre de retórica], que {@hab}, [costumava dizer|afirmava|tinha escrito na parede] que {@tese}.
- {^@ela} [morreu|casou|partiu para {@longe}] em {@mes}, e [deixou-me|legou-me|mandou-me de lembrança] {um coisa}, que ainda [conservo|guardo|cheiro] {@comp}.
== citacao
- [Lá diz|Já escreveu|Creio que disse] {@cantou}, ou [outro|algum barbeiro|quem lhe usava o nome], que {@tese}.
- {@cantou} e {@cantou}, [se vivessem|em meu lugar|convidados a jantar], [discordariam|concordariam|bocejariam] neste ponto: {@tese}.
- Como {@cantou} diante de {o ideia}, assim [estou|me acho|fico] eu diante de {o coisa}.
- Escusa citar {@cantou}, nem {@cantou}, para [provar|saber|concluir] que {@tese}.
